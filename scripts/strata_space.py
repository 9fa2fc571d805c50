"""Values of a space, as `train --worker` describes it: ends, levels, conditions, and how tables write them."""
import math
from decimal import Decimal


def levels(parameter):
    """How many values a stepped float has."""
    return int(math.floor((parameter["high"] - parameter["low"]) / parameter["step"] + 1e-9)) + 1


def is_stepped(parameter):
    return parameter["kind"] == "float" and parameter.get("step") is not None


def ends(parameter):
    """Lowest and highest value of a parameter with an order."""
    if parameter["kind"] == "normal":
        # Where Strata cuts it off.
        return parameter["mean"] - 5 * parameter["sd"], parameter["mean"] + 5 * parameter["sd"]
    return parameter["low"], parameter["high"]


def active(parameters, values):
    """The values that exist: `when` of each parameter holds. Parameters come in the order of the space."""
    chosen = {}
    for parameter in parameters:
        name = parameter["name"]
        holds = all(parent in chosen and any(same(chosen[parent], value) for value in wanted)
                    for parent, wanted in parameter["when"].items())
        if name in values and holds:
            chosen[name] = values[name]
    return chosen


def same(a, b):
    """Whether two values mean the same: 1 and 1.0 do, 1 and true do not."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def field(value):
    """A value as a field of Strata's tables: the shortest decimal number that reads back the same."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def parse_value(parameter, text):
    """The value that `field` wrote."""
    if parameter["kind"] == "categorical":
        for choice in parameter["choices"]:
            if field(choice) == text:
                return choice
        raise ValueError(f"{parameter['name']} = {text}: the space has {parameter['choices']}")
    return int(text) if parameter["kind"] == "int" else float(text)
