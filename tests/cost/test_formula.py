"""Formulas: the known ones as text, and each against a count at a size that interpolation never saw."""

from __future__ import annotations

import pytest
import sympy
import torch

import blocks
from ablate.cost import Formula, complexity_table_latex, formulas
from ablate.cost.count import CountingMode, count, run_pass
from ablate.cost.formula.find import UNITS, size_arguments
from ablate.cost.formula.polynomial import Axis, NoClosedForm, interpolate, symbol
from ablate.errors import AblateError
from ablate.layout.call import BlockCall

N, C = symbol("N"), symbol("C")


@pytest.mark.parametrize(
    ("name", "macs", "params"),
    [
        ("softmax", "4*C**2*N + 2*C*N**2", "4*C**2 + 4*C"),
        ("linear", "4*C**2*N + 64*C*N", "4*C**2 + 4*C"),
        ("conv", "4*C**2*N + 18*C*N", "4*C**2 + 23*C"),
        ("mbconv", "8*C**2*N + 36*C*N", None),
        ("convnext", "8*C**2*N + 49*C*N", None),
        ("window", "4*C**2*N + 98*C*N", None),
        ("pool", "0", "0"),
        ("identity", "0", "0"),
    ],
)
def test_known_formulas(name: str, macs: str, params: str | None) -> None:
    by_quantity = formulas(name)
    assert str(by_quantity["macs"]) == macs
    assert params is None or str(by_quantity["params"]) == params


def test_orders_are_read_off_the_formula() -> None:
    orders = {name: formulas(name, ("macs",))["macs"].order for name in blocks.names("mixer", "block")}
    assert {name for name, order in orders.items() if order == "O(N^2)"} == {"softmax", "sra", "shsa"}
    assert orders["key_only"] == orders["linear"] == orders["window"] == "O(N)"
    for gate in ("window", "global", "decay"):
        call = BlockCall("key_only", (("gate", gate),))
        assert all(f.degree == 1 for f in formulas(call, ("macs", "saved_math")).values())


@pytest.mark.parametrize("name", blocks.names("mixer", "block"))
def test_formula_equals_a_count_elsewhere(name: str) -> None:
    height, width, dim = 42, 28, 384
    with torch.device("meta"):
        module = blocks.get(name, "mixer", "block").build(
            {"dim": dim, "num_heads": dim // 32, "drop_path": 0.0}, {}
        )
    module = module.to(memory_format=torch.channels_last)
    mode = CountingMode()
    image = torch.zeros(1, dim, height, width, device="meta").to(memory_format=torch.channels_last)
    run_pass(mode, module.eval(), image, False, "fused")
    counted = vars(mode.total) | {"params": sum(parameter.numel() for parameter in module.parameters())}
    for quantity, formula in formulas(name, ("macs", "params", "elementwise", "activations")).items():
        if (name, quantity) == ("gfnet", "elementwise"):  # N log N
            assert formula.expression is None
            continue
        assert formula.expression is not None
        assert formula.expression.subs({N: height * width, C: dim}) == counted[quantity]


def test_padding_makes_windows_piecewise_and_the_formula_says_so() -> None:
    formula = formulas("window", ("macs",))["macs"]
    assert formula.condition == "H and W multiples of 7"
    with torch.device("meta"):
        module = blocks.get("window", "mixer").build({"dim": 64, "num_heads": 2}, {})
    padded = count(module, (15, 14), channels=64).macs
    assert padded != formula.expression.subs({N: 15 * 14, C: 64})


def test_the_blocks_own_arguments_as_symbols() -> None:
    w, h, k, e, r = map(symbol, "whker")
    assert formulas("window", ("macs",), ("size",))["macs"].expression == 4 * C**2 * N + 2 * C * N * w**2
    assert formulas("linear", ("macs",), ("heads",))["macs"].expression == (4 * C**2 * N + 2 * C**2 * N / h)
    conv = formulas("conv", ("macs",), ("kernel", "expand"))["macs"].expression
    assert conv == 2 * e * C**2 * N + e * k**2 * C * N
    assert formulas("sra", ("params",), ("ratio",))["params"].expression.coeff(r, 2) == C**2


def test_attention_memory_with_and_without_scores() -> None:
    by_quantity = formulas("softmax", ("saved_fused", "saved_math", "peak_fused", "peak_math"), ("heads",))
    assert [formula.order for formula in by_quantity.values()] == ["O(N)", "O(N^2)", "O(N)", "O(N^2)"]
    scores = by_quantity["saved_math"].expression.coeff(N, 2)
    assert scores == 4 * symbol("h")
    assert formulas("softmax", ("peak_math",))["peak_math"].condition == "N >= 36"


def test_mistakes_of_the_user() -> None:
    with pytest.raises(AblateError, match="unknown"):
        formulas("sofmax")
    with pytest.raises(AblateError, match="unknown quantity 'flops'"):
        formulas("softmax", ("flops",))  # type: ignore[arg-type]
    with pytest.raises(AblateError, match="no size argument"):
        formulas("softmax", ("macs",), ("window",))


def test_what_is_no_polynomial_is_not_given_one() -> None:
    axis = Axis("N", tuple(range(2, 12)))
    with pytest.raises(NoClosedForm):
        interpolate(lambda point: 2 ** point["N"], [axis])
    with pytest.raises(NoClosedForm):
        interpolate(lambda point: max(point["N"], 6), [axis])
    assert str(Formula("macs", None)) == "no closed form"
    assert UNITS["macs"] == Formula("macs", None).unit


def test_interpolation_is_exact_in_several_variables() -> None:
    a, b = symbol("a"), symbol("b")
    wanted = sympy.Rational(3, 7) * a**3 * b + a / b - 5
    axes = [Axis("a", tuple(range(1, 9))), Axis("b", tuple(range(1, 8)), inverse=1)]
    assert sympy.expand(interpolate(lambda p: wanted.subs({a: p["a"], b: p["b"]}), axes) - wanted) == 0


def test_latex_table() -> None:
    table = complexity_table_latex(["softmax", "window"])
    assert r"\texttt{softmax} & $4 C^{2} + 4 C$ & $4 C^{2} N + 2 C N^{2}$ & $O(N^2)$ \\" in table
    assert r"$^{1}$ H and W multiples of 7." in table
    assert table.startswith(r"\begin{tabular}{llll}")


def test_size_arguments_become_symbols() -> None:
    assert size_arguments("key_only") == ("window", "kernel", "heads")
    assert size_arguments("pool") == ("size",)
    by_quantity = formulas("window", ("macs", "params"), size_arguments("window"))
    assert str(by_quantity["macs"]) == "4*C**2*N + 2*C*N*w**2"
    assert by_quantity["macs"].condition == "H and W multiples of w"
    table = complexity_table_latex(["key_only", "linear"], ("macs",), symbols=True)
    assert "3 C^{2} N + C N w" in table
    assert r"\frac{2 C^{2} N}{h}" in table


def test_an_argument_without_a_closed_form_falls_back_to_its_value() -> None:
    formula = formulas("window", ("peak_math",), ("size",))["peak_math"]
    assert formula.condition.startswith("size=7")
    assert formula.expression == formulas("window", ("peak_math",))["peak_math"].expression
