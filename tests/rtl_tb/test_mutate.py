"""What is mutated and what is not; order and names."""

import pytest

from zynqfire.rtl_tb import campaign, mutate, simulator

TEXT = """\
// a + b
module sample #(
    parameter int unsigned Width = 4 + 1
) (
    input  logic             clk_i,
    input  logic [Width-1:0] data_i,
    output logic [Width-1:0] data_o
);
  initial if (Width == 1) $fatal(1, "%m: 1 + 1 is %0d", Width);
  if (Width > 8) begin : gen_bad
    initial $fatal(1, "too wide");
  end
  logic unused;
  assign unused = ^{data_i, 1'b0};
  localparam int Bits = $clog2(Width + 1);
BODY
endmodule
"""


def changed(body):
    """Return what the mutants of a body put in its place, but for the width's."""
    text = TEXT.replace("BODY", f"  {body}")
    found = {mutant.after_line for mutant in mutate.mutants("sample", text)}
    return found - {"localparam int Bits = ($clog2(Width + 1)) - 1;"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", set()),
        ("assign y = a + b;  // + c", {"assign y = a - b;"}),
        ("assign y = -a;", {"assign y = a;"}),
        (
            "assign y = |a & !b;",
            {"assign y = &a & !b;", "assign y = |a | !b;", "assign y = |a & b;"},
        ),
        ("assign y = a >>> b;", {"assign y = a <<< b;", "assign y = a >> b;"}),
        ("assign y = a < b;", {"assign y = a <= b;", "assign y = a > b;"}),
        ("assign y = a <= b;", {"assign y = a < b;"}),
        ("assign y = a[b+:W];", {"assign y = a[1 + b+:W];"}),
        (
            "assign y = 4'(a) + 2;",
            {"assign y = 4'(a) - 2;", "assign y = 4'(a) + 1;", "assign y = 4'(a) + 3;"},
        ),
        ("assign y = $signed(a);", {"assign y = $unsigned(a);"}),
        (
            "assign y = $signed({1'b0, a});",
            {"assign y = $signed({a, 1'b0});", "assign y = $signed({1'b1, a});"},
        ),
        (
            "assign y = a ? b : c ? d : e;",
            {"assign y = a ? c ? d : e : b;", "assign y = a ? b : c ? e : d;"},
        ),
        (
            "assign y = a ? b ? c : d : e;",
            {"assign y = a ? e : b ? c : d;", "assign y = a ? b ? d : c : e;"},
        ),
        (
            "always_ff @(posedge clk_i) q <= '0;",
            {"always_ff @(posedge clk_i) ;", "always_ff @(posedge clk_i) q <= '1;"},
        ),
        ("always_comb if (a) b = c;", {"always_comb if (!(a)) b = c;"}),
        ("always_comb if (a == b) b = c;", {"always_comb if (a != b) b = c;"}),
        ("logic [Width-1:0] y;", set()),
        ("logic [Width-1:0] y = 1'b0;", {"logic [Width-1:0] y = 1'b1;"}),
        (
            "for (genvar n = 0; n < N; n++) begin end",
            {
                "for (genvar n = 1; n < N; n++) begin end",
                "for (genvar n = 0; n <= N; n++) begin end",
                "for (genvar n = 0; n > N; n++) begin end",
            },
        ),
        (
            "zf_x #(.A(B), .C(D)) u (.clk_i, .rst_i, .s_o(t));",
            {
                "zf_x #(.A(D), .C(B)) u (.clk_i, .rst_i, .s_o(t));",
                "zf_x #(.A(B), .C(D)) u (.clk_i, .rst_i(1'b0), .s_o(t));",
            },
        ),
        (
            "zf_x u (.step_i(a), .data_i(b));",
            {
                "zf_x u (.step_i('1), .data_i(b));",
                "zf_x u (.step_i(b), .data_i(a));",
                "zf_x u (.step_i(a), .data_i('0));",
            },
        ),
    ],
)
def test_changes(body, expected):
    assert changed(body) == expected


def test_a_width_becomes_a_bit_less():
    mutants = mutate.mutants("sample", TEXT.replace("BODY\n", ""))
    assert [str(mutant) for mutant in mutants] == [
        "sample\n- localparam int Bits = $clog2(Width + 1);\n"
        "+ localparam int Bits = ($clog2(Width + 1)) - 1;"
    ]


def test_equal_lines_are_told_apart():
    body = "  always_ff @(posedge clk_i)\n    q <= '0;\n  always_ff @(posedge clk_i)\n    q <= '0;"
    text = TEXT.replace("BODY", body)
    dropped = [mutant for mutant in mutate.mutants("sample", text) if mutant.after_line == ";"]
    assert [mutant.nth for mutant in dropped] == [1, 2]
    assert str(dropped[1]) == "sample\n@@ 2 @@\n- q <= '0;\n+ ;"
    assert dropped[1].apply(text) == text.replace(body, f"{body[:-8]};")


def test_the_order_is_the_seed_s_and_outlives_a_change_elsewhere():
    body = "  assign x = a + b + c;\n  assign y = d && e;\n  assign z = f ? g : h;"
    text, other = TEXT.replace("BODY", body), TEXT.replace("BODY", body.replace("z = f", "w = f"))
    drawn = [mutant.key for mutant in mutate.draw("sample", text, 1)]
    assert drawn == [mutant.key for mutant in mutate.draw("sample", text, 1)]
    assert drawn != [mutant.key for mutant in mutate.draw("sample", text, 2)]
    kept = [mutant.key for mutant in mutate.draw("sample", other, 1)]
    assert [key for key in drawn if key in kept] == [key for key in kept if key in drawn]
    assert len(set(drawn) & set(kept)) == len(drawn) - 1


@pytest.mark.parametrize("module", campaign.modules())
def test_every_module_has_mutants_that_differ(module):
    text = (simulator.RTL / f"{module}.sv").read_text()
    mutants = mutate.mutants(module, text)
    assert len(mutants) >= 3
    assert len({mutant.key for mutant in mutants}) == len(mutants)
    assert len({mutant.apply(text) for mutant in mutants} - {text}) == len(mutants)


def test_every_module_has_a_bench():
    for module in campaign.modules():
        assert campaign.benches(module), module
