"""The words of the field, each in a sentence or two, for the page Glossary and for help on other pages."""

from dataclasses import dataclass

from fcst.names import ADI_CUTOFF, BENCHMARK, CV2_CUTOFF, ENDED_AFTER_WEEKS, HOLDOUT_WEEKS


@dataclass(frozen=True)
class Term:
    """A word as pages show it; `key` is what the program calls it."""

    key: str
    name: str
    meaning: str


ACCURACY = (
    Term("wape", "WAPE", "Sum of absolute errors, divided by units sold. Smaller is better."),
    Term("bias", "Bias", "Sum of errors, divided by units sold. Positive: the forecast was too high."),
    Term("smape", "sMAPE", "Mean of twice the absolute error, divided by forecast and sold together. From 0 to 200 %."),
    Term(
        "mase",
        "MASE",
        "Mean absolute error, divided by the mean change from week to week. Below 1: better than that.",
    ),
    Term(
        "rmsse",
        "RMSSE",
        "Root mean squared error, divided by the root mean squared change from week to week. Smaller is better.",
    ),
    Term(
        "pinball_loss",
        "Pinball loss",
        "The error of a bound as a quantile: what was sold above the 90 % quantile costs 9 times as much as the same "
        "number of units below it.",
    ),
    Term(
        "scaled_crps",
        "Scaled CRPS",
        "Twice the mean pinball loss of the bounds as quantiles, divided by units sold. Smaller is better.",
    ),
    Term(
        "coverage",
        "Coverage",
        "The share of weeks whose sales lie within the interval. It should be what the interval claims.",
    ),
    Term("mean_width", "Mean width", "From the lower to the upper bound of the interval, in units a week."),
    Term(
        "msis",
        "MSIS",
        "Width of the interval and a penalty for what lies outside, divided by the mean change from week to week.",
    ),
    Term(
        "value_added",
        "Forecast value added",
        "The share of a simple model's error (WAPE) that this one takes away. Negative: it adds error.",
    ),
    Term(
        "step_added",
        "Value added by a step",
        "The share of the error (WAPE) of the step before that this one takes away, from the same weeks last year by "
        "way of the model to the adjusted forecast. Negative: it adds error.",
    ),
    Term(
        "yardstick",
        "Yardstick",
        "The simple model that every other is shown against: the same weeks last year, or the last week where there is "
        "no last year.",
    ),
    Term(
        "same_weeks_last_year",
        "Same weeks last year",
        f"The model that repeats the weeks of a year before. Files and the API call it {BENCHMARK}.",
    ),
    Term("last_week", "Last week", "The model that repeats the last known week. Files and the API call it Naive."),
    Term(
        "lag",
        "Weeks before",
        "How many weeks before a week its forecast was made. The longer before, the larger the error usually is.",
    ),
    Term(
        "backtest",
        "Backtest",
        f"{HOLDOUT_WEEKS} weeks at the end of each history that are forecast from the weeks before them, so that "
        "accuracy is measured. More backtests take longer and tell more.",
    ),
    Term(
        "not_defined",
        "Not defined",
        "A number that cannot be known, such as a WAPE of weeks in which nothing was sold. It is not zero.",
    ),
)

FORECASTS = (
    Term("horizon", "Horizon", "How many weeks ahead are forecast, from the dataset's last whole week on."),
    Term("cutoff", "Cutoff", "The last week that a model may see."),
    Term(
        "interval_level",
        "Interval level",
        "How sure the bounds are: of 100 weeks, 80 should fall within an interval of 80 %.",
    ),
    Term(
        "auto",
        "Auto",
        "For each item a weighted mean of up to 24 models: those that erred least in its past weigh most.",
    ),
    Term(
        "candidate",
        "Candidate",
        "A model that Auto tries on an item. Demand class and length of the history decide which ones are tried.",
    ),
    Term(
        "weight", "Weight", "A candidate's share of Auto's forecast. It falls with the candidate's error in the past."
    ),
    Term(
        "fallback",
        "Fallback",
        "A simpler model that stands in where the history is too short for the one asked for, or where that one fails.",
    ),
    Term(
        "driver",
        "Driver",
        "What is known besides sales, past and to come: promotion, price, event, open days, stock, or another number.",
    ),
    Term("baseline", "Baseline", "The forecast without the effects of drivers. Baseline × uplift = forecast."),
    Term(
        "uplift",
        "Uplift",
        "How far drivers lift or lower a week against its baseline: learnt across the items of the run, drawn to each "
        "item's own past.",
    ),
    Term(
        "scenario",
        "Scenario",
        "What the plan of a run would be if promotions, prices or other drivers were otherwise in weeks ahead, by the "
        "effects that the run has learnt.",
    ),
    Term(
        "learning",
        "Learning",
        "What a run does across its items before it forecasts them: effects of drivers, and one model of all items.",
    ),
    Term(
        "adjustment",
        "Adjustment",
        "An analyst's change of weeks of a forecast, with its reason. The model's own forecast and its interval stay "
        "beside it.",
    ),
    Term(
        "final_plan",
        "Final plan",
        "The model's forecast as analysts adjusted it: what is shown first, added up, drawn and given away.",
    ),
    Term(
        "attention",
        "Attention",
        "Reasons to look at an item, such as: no forecast, biased, far from last year, a level shift, a suspected "
        "stock-out, new, ended, a fallback, adjusted. Their thresholds can be set.",
    ),
    Term(
        "at_stake",
        "At stake",
        "Units of the weeks ahead that the plan may be wrong by, for the reason that weighs most. Where a reason says "
        "only that little is known, half the width of the interval.",
    ),
    Term(
        "reviewed",
        "Reviewed",
        "Looked at, by whom and when. A new run opens it again where reasons or plan differ.",
    ),
    Term("tracking", "Tracking signal", "Sum of errors, divided by the sum of their sizes: 1 is always too high."),
    Term("abc", "ABC", "By units sold, or their value: A makes the first 80 %, B the next 15 %, C the rest."),
    Term("xyz", "XYZ", "By the WAPE in backtests: X is forecast well, Y less well, Z badly or not measured."),
    Term("made_by", "Made by", "The model that computed the forecast: the one asked for, or its fallback."),
    Term(
        "seasonal",
        "Seasonal",
        "Knows the time of the year. To learn an item's season takes two years of its history; a simple model repeats "
        "one.",
    ),
    Term(
        "without_promotions",
        "Without promotions",
        "Promotional sales were left out, as is usual, so that the forecast is of baseline demand. A week with "
        "promotional sales only is missing, not zero.",
    ),
)

DATA = (
    Term("dataset", "Dataset", "Sales that were loaded together, added up by item and week. They never change."),
    Term(
        "dataset_version",
        "Dataset version",
        "Loading again under the same name makes the next version. Runs on the one before stay as they are.",
    ),
    Term("item", "Item", "What is forecast: one series of weekly sales with a key of its own."),
    Term("rank", "Rank", "An item's place by units sold; 1 is the largest seller."),
    Term("history", "History", "An item's weeks from its first sale to the dataset's last whole week."),
    Term(
        "week",
        "Week",
        "It is called by its last day: Saturday, unless the dataset says otherwise. Only whole weeks count.",
    ),
    Term(
        "demand_class",
        "Demand class",
        "What an item's weeks look like: smooth, erratic, intermittent or lumpy, by how often it sells (ADI) and how "
        "much its sales vary (CV²).",
    ),
    Term("smooth", "Smooth", "Sells in most weeks, and about as much each time. The easiest to forecast."),
    Term("erratic", "Erratic", "Sells in most weeks, now little, now much."),
    Term("intermittent", "Intermittent", "Many weeks without a sale; where it sells, about as much each time."),
    Term("lumpy", "Lumpy", "Many weeks without a sale; where it sells, now little, now much. The hardest to forecast."),
    Term(
        "adi",
        "ADI",
        f"Average demand interval: weeks per week with a sale. From {ADI_CUTOFF} on: intermittent or lumpy.",
    ),
    Term(
        "cv2",
        "CV²",
        "How much the units of weeks with a sale vary: variance, divided by squared mean. "
        f"From {CV2_CUTOFF} on: erratic or lumpy.",
    ),
    Term(
        "price",
        "Price",
        "What all units of an item were sold for, divided by them: a mean, in the money of the file. "
        "Empty where no column of the file says what was paid.",
    ),
    Term("missing", "Missing", "A week with promotional sales only, where these are left out. Models interpolate it."),
    Term(
        "lifecycle",
        "Lifecycle",
        "What is known of an item's life besides its sales: the items whose history comes before its own, its launch, "
        "its last day.",
    ),
    Term(
        "predecessor",
        "Predecessor",
        "An item that another one replaces. Its sales stand before those of the new item, whose launch ends its own.",
    ),
    Term("like_item", "Like item", "An item that a new one is expected to sell like, times a factor. Both go on."),
    Term(
        "out_of_stock",
        "Out of stock",
        "A week in which the item could not be bought: a driver says so, or the run skips suspected stock-outs and "
        "takes it as one. It is missing, not zero demand.",
    ),
    Term(
        "suspected",
        "Suspected stock-out",
        "Weeks without a sale that are very unlikely in an item that otherwise sells steadily, and are no season. "
        "They count as zero demand, unless the run skips them.",
    ),
    Term(
        "lost_sales",
        "Lost sales",
        "About how many units more would have sold in weeks out of stock, by the weeks around them.",
    ),
    Term("ended", "Ended", f"Said of an item without a sale in the last {ENDED_AFTER_WEEKS} weeks."),
    Term("returns", "Returns", "Units that came back. They are taken from the week's sales, unless they are left out."),
)

RUNS = (
    Term("run", "Run", "Chosen items of a dataset, forecast by chosen models. It goes on when the browser is closed."),
    Term("batch", "Batch", "Items that one process runs together, and that are tried again together."),
    Term(
        "stage",
        "Stage",
        "Where a batch is: submitted, obtaining sales, processing, saving; then completed, failed or cancelled.",
    ),
    Term("attempt", "Attempt", "One try at a batch, numbered from 1. A new one computes only what is missing."),
    Term(
        "supervisor",
        "Supervisor",
        "Hands batches to the processes that compute. It starts when there is work and ends when there is none.",
    ),
    Term("seed", "Seed", "A number that fixes a random sample: the same seed takes the same items again."),
)

STOCK = (
    Term(
        "service_level",
        "Service level",
        "How often the demand over lead time and review period is to be at most the reorder point: the cycle service "
        "level, not the share of units served.",
    ),
    Term("lead_time", "Lead time", "Days from an order until its goods can be sold. It is taken as certain."),
    Term("review_period", "Review period", "Days from one order to the next; 0 where one can be made at any time."),
    Term(
        "safety_stock",
        "Safety stock",
        "Units on top of the plan over lead time and review period, such that the service level holds if errors are as "
        "in the backtests and sales are all the demand.",
    ),
    Term(
        "reorder_point",
        "Reorder point",
        "The plan over lead time and review period, and the safety stock: order when stock and orders together are at "
        "most that. With a review period it is the level up to which to order.",
    ),
)

GROUPS = {"Accuracy": ACCURACY, "Forecasts": FORECASTS, "Sales": DATA, "Stock": STOCK, "Runs": RUNS}

MEANING = {term.key: term.meaning for terms in GROUPS.values() for term in terms}
"""key -> the sentence."""


def find_terms(wanted: str) -> dict[str, list[Term]]:
    """The terms that have all words of `wanted` in name or meaning, by group; groups without one are left out."""
    words = wanted.casefold().split()
    found = {
        group: [term for term in terms if all(word in f"{term.name} {term.meaning}".casefold() for word in words)]
        for group, terms in GROUPS.items()
    }
    return {group: terms for group, terms in found.items() if terms}
