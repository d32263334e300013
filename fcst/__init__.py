"""fcst: weekly demand forecasts for thousands of items, computed in batches and stored in Postgres."""

__version__ = "0.1.0"
