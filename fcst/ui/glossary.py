"""Glossary terms with their definitions, for the page Glossary and for help texts on other pages."""

from dataclasses import dataclass

from fcst.names import ADI_CUTOFF, BENCHMARK, CV2_CUTOFF, ENDED_AFTER_WEEKS, HOLDOUT_WEEKS


@dataclass(frozen=True)
class Term:
    """A term as pages show it; `key` is its identifier in code."""

    key: str
    name: str
    meaning: str


ACCURACY = (
    Term("wape", "WAPE", "Sum of absolute errors, divided by units sold. Smaller is better."),
    Term("bias", "Bias", "Sum of errors, divided by units sold. Positive: the forecast was too high."),
    Term("smape", "sMAPE", "Mean of twice the absolute error, divided by forecast plus units sold. From 0 to 200 %."),
    Term(
        "mase",
        "MASE",
        "Mean absolute error, divided by the mean week-to-week change. Below 1: the error is smaller than that change.",
    ),
    Term(
        "rmsse",
        "RMSSE",
        "Root mean squared error, divided by the root mean squared week-to-week change. Smaller is better.",
    ),
    Term(
        "pinball_loss",
        "Pinball loss",
        "Error of an interval bound as a quantile. For the 90 % quantile, a unit sold above it costs 9 times as "
        "much as a unit below it.",
    ),
    Term(
        "scaled_crps",
        "Scaled CRPS",
        "Twice the mean pinball loss of the interval bounds, divided by units sold. Smaller is better.",
    ),
    Term(
        "coverage",
        "Coverage",
        "Share of weeks whose sales lie within the interval. It should equal the interval level.",
    ),
    Term("mean_width", "Mean width", "Upper minus lower bound of the interval, in units per week."),
    Term(
        "msis",
        "MSIS",
        "Width of the interval plus a penalty for sales outside it, divided by the mean week-to-week change.",
    ),
    Term(
        "value_added",
        "Forecast value added",
        "Share of a simple model's error (WAPE) that this model removes. Negative: it adds error.",
    ),
    Term(
        "step_added",
        "Value added by a step",
        "Share of the previous step's error (WAPE) that this step removes. Steps: same weeks last year, model, "
        "adjusted forecast. Negative: it adds error.",
    ),
    Term(
        "benchmark",
        "Benchmark",
        "The simple model that others are compared with: the same weeks last year, or the last week where there "
        "is no last year.",
    ),
    Term(
        "same_weeks_last_year",
        "Same weeks last year",
        f"The model that repeats the weeks of the year before. Files and the API call it {BENCHMARK}.",
    ),
    Term("last_week", "Last week", "The model that repeats the last known week. Files and the API call it Naive."),
    Term(
        "lag",
        "Weeks before",
        "How many weeks before a week its forecast was made. Errors usually grow with this number.",
    ),
    Term(
        "backtest",
        "Backtest",
        f"A forecast of {HOLDOUT_WEEKS} weeks at the end of each history from the weeks before them, to measure "
        "accuracy. More backtests take longer and measure it more reliably.",
    ),
    Term(
        "not_defined",
        "Not defined",
        "A number that cannot be computed, such as the WAPE of weeks without sales. It is not zero.",
    ),
)

FORECASTS = (
    Term("horizon", "Horizon", "Number of weeks to forecast, after the dataset's last whole week."),
    Term("cutoff", "Cutoff", "The last week that a model uses."),
    Term(
        "interval_level",
        "Interval level",
        "Share of weeks that should lie within the interval: 80 of 100 weeks for a level of 80 %.",
    ),
    Term(
        "auto",
        "Auto",
        "Weighted mean of up to 24 models for each item. Models with smaller errors in backtests get larger weights.",
    ),
    Term(
        "candidate",
        "Candidate",
        "A model that Auto tries on an item. The item's demand class and length of history decide which models it "
        "tries.",
    ),
    Term(
        "weight",
        "Weight",
        "A candidate's share of Auto's forecast. Larger errors in backtests give a smaller weight.",
    ),
    Term(
        "fallback",
        "Fallback",
        "A simpler model, used where the history is too short for the requested model or where that model fails.",
    ),
    Term(
        "driver",
        "Driver",
        "What is known besides sales, past and future: promotion, price, event, open days, stock, or another number.",
    ),
    Term("baseline", "Baseline", "The forecast without the effects of drivers. Baseline × uplift = forecast."),
    Term(
        "uplift",
        "Uplift",
        "Effect of drivers on a week, relative to its baseline. Learnt across the items of the run, then adapted "
        "to each item's own history.",
    ),
    Term(
        "scenario",
        "Scenario",
        "The plan of a run with other promotions, prices or drivers in future weeks, computed from the effects "
        "that the run has learnt.",
    ),
    Term(
        "learning",
        "Learning",
        "First step of a run: it learns the effects of drivers and one model across all its items.",
    ),
    Term(
        "adjustment",
        "Adjustment",
        "An analyst's change to weeks of a forecast, with its reason. The model's own forecast and interval do "
        "not change.",
    ),
    Term(
        "final_plan",
        "Final plan",
        "The model's forecast with all adjustments. Pages show it first; totals, charts and downloads use it.",
    ),
    Term(
        "published_plan",
        "Published plan",
        "The final plan of a run that was published last for a dataset. It is kept as it was, also when the run is "
        "adjusted or deleted.",
    ),
    Term(
        "attention",
        "Attention",
        "Reasons to review an item, such as: no forecast, biased, far from last year, a level shift, a suspected "
        "stock-out, new, ended, a fallback, adjusted. Their thresholds can be set.",
    ),
    Term(
        "at_stake",
        "At stake",
        "Units by which the plan of the weeks ahead may be wrong, for the main reason. If a reason says only that "
        "little is known: half the width of the interval.",
    ),
    Term(
        "reviewed",
        "Reviewed",
        "Marked as reviewed, with name and time. A new run reopens the item if its reasons or its plan differ.",
    ),
    Term("tracking", "Tracking signal", "Sum of errors, divided by the sum of absolute errors. 1: always too high."),
    Term(
        "abc",
        "ABC",
        "By units sold, or their value: A items make the first 80 %, B items the next 15 %, C items the rest.",
    ),
    Term("xyz", "XYZ", "By the WAPE in backtests: X is forecast well, Y less well, Z badly or not measured."),
    Term("made_by", "Made by", "The model that computed the forecast: the requested model or its fallback."),
    Term(
        "seasonal",
        "Seasonal",
        "Uses the time of year. Learning an item's season takes two years of history; repeating last year takes one.",
    ),
    Term(
        "without_promotions",
        "Without promotions",
        "Promotional sales are left out (the default), so the forecast is of baseline demand. A week with "
        "promotional sales only is missing, not zero.",
    ),
)

DATA = (
    Term("dataset", "Dataset", "Sales that were loaded together, summed by item and week. A dataset never changes."),
    Term(
        "dataset_version",
        "Dataset version",
        "Loading sales under an existing name creates the next version. Runs on earlier versions do not change.",
    ),
    Term("item", "Item", "What is forecast: one series of weekly sales with its own key."),
    Term("rank", "Rank", "An item's position by units sold; 1 is the largest seller."),
    Term("history", "History", "An item's weeks from its first sale to the dataset's last whole week."),
    Term(
        "week",
        "Week",
        "Named by its last day: Saturday, unless the dataset uses another day. Only whole weeks count.",
    ),
    Term(
        "demand_class",
        "Demand class",
        "Smooth, erratic, intermittent or lumpy, by how often an item sells (ADI) and how much its sales vary (CV²).",
    ),
    Term("smooth", "Smooth", "Sells in most weeks, in similar amounts. The easiest to forecast."),
    Term("erratic", "Erratic", "Sells in most weeks, in very different amounts."),
    Term("intermittent", "Intermittent", "Many weeks without a sale; similar amounts in weeks with one."),
    Term(
        "lumpy",
        "Lumpy",
        "Many weeks without a sale; very different amounts in weeks with one. The hardest to forecast.",
    ),
    Term(
        "adi",
        "ADI",
        f"Average demand interval: weeks per week with a sale. From {ADI_CUTOFF}: intermittent or lumpy.",
    ),
    Term(
        "cv2",
        "CV²",
        f"Variation of units in weeks with a sale: variance divided by squared mean. From {CV2_CUTOFF}: erratic or "
        "lumpy.",
    ),
    Term(
        "price",
        "Price",
        "Mean price: revenue of an item divided by its units, in the currency of the file. Empty if the file has "
        "no price or revenue.",
    ),
    Term("missing", "Missing", "A week with promotional sales only, if these are left out. Models interpolate it."),
    Term(
        "lifecycle",
        "Lifecycle",
        "What is known of an item besides its sales: the items whose history comes before its own, its launch, "
        "its last day.",
    ),
    Term(
        "predecessor",
        "Predecessor",
        "An item that another one replaces. Its sales come before those of the new item, whose launch is its end.",
    ),
    Term(
        "like_item",
        "Like item",
        "An item that a new item is expected to sell like, times a factor. Both items continue.",
    ),
    Term(
        "out_of_stock",
        "Out of stock",
        "A week in which the item could not be bought: a driver marks it, or the run skips suspected stock-outs. "
        "The week is missing, not zero demand.",
    ),
    Term(
        "suspected",
        "Suspected stock-out",
        "Weeks without a sale that are very unlikely for an item with otherwise steady sales, and not seasonal. "
        "They count as zero demand, unless the run skips them.",
    ),
    Term(
        "lost_sales",
        "Lost sales",
        "Estimate of the units that would have sold in weeks out of stock, from the weeks around them.",
    ),
    Term("ended", "Ended", f"An item without a sale in the last {ENDED_AFTER_WEEKS} weeks."),
    Term(
        "returns",
        "Returns",
        "Units that customers returned. They are subtracted from the sales of their week, unless they are left out.",
    ),
)

RUNS = (
    Term(
        "run",
        "Run",
        "A forecast of chosen items of a dataset by chosen models. It continues when the browser is closed.",
    ),
    Term("batch", "Batch", "A part of a run's items. One process computes them, and they are retried together."),
    Term(
        "stage",
        "Stage",
        "State of a batch: submitted, obtaining sales, processing, saving; then completed, failed or cancelled.",
    ),
    Term("attempt", "Attempt", "One try at a batch, numbered from 1. A retry computes only the missing items."),
    Term(
        "supervisor",
        "Supervisor",
        "The process that claims batches and passes them to worker processes. It starts when there is work and "
        "ends when there is none.",
    ),
    Term("seed", "Seed", "Number that fixes a random sample: the same seed selects the same items."),
)

STOCK = (
    Term(
        "service_level",
        "Service level",
        "How often demand over lead time and review period is at most the reorder point: the cycle service level, "
        "not the share of units served.",
    ),
    Term("lead_time", "Lead time", "Days from an order until its goods can be sold. Assumed to be certain."),
    Term("review_period", "Review period", "Days from one order to the next; 0 if orders are possible at any time."),
    Term(
        "safety_stock",
        "Safety stock",
        "Units on top of the plan over lead time and review period, so that the service level holds. Assumes "
        "errors as in the backtests and sales equal to demand.",
    ),
    Term(
        "reorder_point",
        "Reorder point",
        "Plan over lead time and review period plus safety stock. Order when stock and open orders together are "
        "at most that. With a review period: the level to order up to.",
    ),
)

GROUPS = {"Accuracy": ACCURACY, "Forecasts": FORECASTS, "Sales": DATA, "Stock": STOCK, "Runs": RUNS}

MEANING = {term.key: term.meaning for terms in GROUPS.values() for term in terms}
"""key -> the definition."""


def find_terms(wanted: str) -> dict[str, list[Term]]:
    """Returns the terms whose name or meaning has all words of `wanted`, by group. Omits groups without a match."""
    words = wanted.casefold().split()
    found = {
        group: [term for term in terms if all(word in f"{term.name} {term.meaning}".casefold() for word in words)]
        for group, terms in GROUPS.items()
    }
    return {group: terms for group, terms in found.items() if terms}
