"""The Tcl for Vivado, run under stubs of its commands; and the stubs notice what would be wrong."""

import importlib.util
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import vivado_builds

from zynqfire import Refusal
from zynqfire.board import vivado

SCRIPTS = Path(vivado.__file__).parent / "vivado"
WIDTHS = {"xc7": (64, 32), "xcup": (128, 64)}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs both scripts, one of them changed, for a family."""
    for name, value in vivado_builds.install(tmp_path / "bin").items():
        monkeypatch.setenv(name, value)

    def call(family="xc7", script="build.tcl", old="", new="", top=lambda text: text):
        shutil.copytree(SCRIPTS, tmp_path / "changed" / "vivado")
        file = tmp_path / "changed" / "vivado" / script
        text = file.read_text()
        assert old in text, f"{script} has no {old!r}"
        file.write_text(text.replace(old, new, 1) if old else text)
        monkeypatch.setattr(vivado, "files", lambda package: tmp_path / "changed")
        monkeypatch.setenv("ZYNQFIRE_STUB_REPORTS", str(vivado_builds.REPORTS / family))
        build = vivado_builds.build(tmp_path / "build", family, *WIDTHS[family])
        verilog = build / "rtl" / "zynqfire.v"
        verilog.write_text(top(verilog.read_text()))
        return vivado.synth(build)

    return call


@pytest.mark.parametrize("family", WIDTHS)
def test_both_scripts_end_well(run, family):
    """Nothing is missing for either family; the results are where they are looked for."""
    answer = run(family)
    assert answer["timing_met"] and Path(answer["bitstream"]).read_text().split()[0] == "bitstream"
    assert Path(answer["hardware"]).name == "zynqfire.hwh"
    assert Path(answer["hardware"]).read_text() == "<EDKSYSTEM/>\n"


BUILD = {
    # what is connected
    "bus control/M00_AXI zynqfire_0/s_axi\n": ("", "interface zynqfire_0/s_axi is not connected"),
    "bus zynqfire_0/m_axis axi_dma_0/S_AXIS_S2MM\n": ("", "m_axis is not connected"),
    "bus data/M00_AXI $memory\n": ("", "interface ps/S_AXI_HP0 is not connected"),
    "zynqfire_0/aresetn axi_dma_0/axi_resetn": (
        "axi_dma_0/axi_resetn",
        "reset pin zynqfire_0/aresetn is not connected",
    ),
    "aresetn axi_dma_0/axi_resetn": ("aresetn", "reset pin axi_dma_0/axi_resetn is not connected"),
    "zynqfire_0/aclk \\": ("\\", "clock pin zynqfire_0/aclk is not connected"),
    " axi_dma_0/m_axi_s2mm_aclk": ("", "clock pin axi_dma_0/m_axi_s2mm_aclk is not connected"),
    " data/aclk": ("", "clock pin data/aclk is not connected"),
    " resets/slowest_sync_clk": ("", "clock pin resets/slowest_sync_clk is not connected"),
    "wire $reset resets/ext_reset_in\n": ("", "reset pin resets/ext_reset_in is not connected"),
    "wire axi_dma_0/s2mm_introut interrupts/In2\n": ("", "irq pin interrupts/In2 is not connected"),
    "wire zynqfire_0/irq": ("wire axi_dma_0/mm2s_introut", "zynqfire_0/irq must be connected"),
    "wire interrupts/dout $interrupt\n": ("", "irq pin ps/IRQ_F2P is not connected"),
    # to what
    "s2mm_introut": ("s2mm_intr", "get_bd_pins axi_dma_0/s2mm_intr: must be one of the block"),
    "axi_dma_0/S_AXIS_S2MM": ("axi_dma_0/S_AXIS", "get_bd_intf_pins axi_dma_0/S_AXIS: must be one"),
    "axi_dma_0/M_AXIS_MM2S zynqfire_0/s_axis": (
        "zynqfire_0/s_axis axi_dma_0/M_AXIS_MM2S",
        r"zynqfire_0/s_axis \(slave\) cannot drive axi_dma_0/M_AXIS_MM2S \(master\)",
    ),
    "axi_dma_0/M_AXI_MM2S data": ("axi_dma_0/M_AXIS_MM2S data", "already|is axis, data/S00_AXI is"),
    "bus axi_dma_0/M_AXIS_MM2S zynqfire_0/s_axis": (
        "bus zynqfire_0/m_axis zynqfire_0/s_axis",
        "zynqfire_0/m_axis is connected already",
    ),
    "interrupts/In1": ("interrupts/In0", "interrupts/In0 is driven by zynqfire_0/irq already"),
    "resets/interconnect_aresetn": ("resets/mb_reset", "is reset_high, control/aresetn takes"),
    "wire $reset": ("wire $clock", "ps/FCLK_CLK0 is clock, resets/ext_reset_in takes reset"),
    "wire interrupts/dout $interrupt": ("wire $interrupt interrupts/dout", "cannot drive inter"),
    # how the IP is set
    "CONFIG.c_include_sg 0 ": ("CONFIG.c_micro_dma 0 ", "axi_dma_0/(m_axi_sg_aclk|M_AXI_SG) is"),
    "c_sg_length_width 26": ("c_sg_length_width 23", "c_sg_length_width of axi_dma_0 must be 26"),
    "c_sg_length_width": ("c_length_width", "axi_dma_0 has no setting CONFIG.c_length_width"),
    "c_include_s2mm_dre 0": ("c_include_s2mm_dre 1", "c_include_s2mm_dre of axi_dma_0 must be 0"),
    "c_m_axis_mm2s_tdata_width $in_bits": (
        "c_m_axis_mm2s_tdata_width $out_bits",
        "axi_dma_0/M_AXIS_MM2S has 32 bits, zynqfire_0/s_axis 64",
    ),
    "c_s_axis_s2mm_tdata_width $out_bits": (
        "c_s_axis_s2mm_tdata_width $in_bits",
        "zynqfire_0/m_axis has 32 bits, axi_dma_0/S_AXIS_S2MM 64",
    ),
    "c_m_axi_s2mm_data_width $out_bits": ("c_m_axi_s2mm_data_width 48", "cannot be 48"),
    "CONFIG.NUM_MI 2": ("CONFIG.NUM_MI 3", "interface control/M02_AXI is not connected"),
    "CONFIG.NUM_SI 2": ("CONFIG.NUM_SI 1", "get_bd_intf_pins data/S01_AXI: must be one"),
    "NUM_PORTS 3": ("NUM_PORTS 4", "irq pin interrupts/In3 is not connected"),
    "PCW_USE_S_AXI_HP0 1": ("PCW_USE_S_AXI_HP0 0", "get_bd_pins ps/S_AXI_HP0_ACLK: must be one"),
    "PCW_USE_FABRIC_INTERRUPT 1": ("PCW_USE_FABRIC_INTERRUPT 0", "get_bd_pins ps/IRQ_F2P: must"),
    "make_external {FIXED_IO, DDR} ": ("", "interface ps/DDR is not connected"),
    "apply_board_preset $preset": ("apply_presets $preset", "has no apply_presets"),
    "xilinx.com:ip:axi_dma ": ("xilinx.com:ip:dma ", "the catalog has no xilinx.com:ip:dma"),
    "cell zynqfire_0 ": ("cell zynqfire_1 ", "get_bd_pins zynqfire_0/aclk: must be one"),
    # as it was asked for
    "PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz": (
        "PCW_FPGA0_PERIPHERAL_FREQMHZ 50",
        "PCW_FPGA0_PERIPHERAL_FREQMHZ of ps must be 100",
    ),
    "apply_board_preset $preset ": ("apply_board_preset 0 ", "preset must be applied where there"),
    "DATA_WIDTH 64": ("DATA_WIDTH 32", "PCW_S_AXI_HP0_DATA_WIDTH of ps must be 64"),
    "c_m_axi_mm2s_data_width $in_bits": (
        "c_m_axi_mm2s_data_width 32",
        "c_m_axi_mm2s_data_width of axi_dma_0 must be 64",
    ),
    "wire resets/peripheral_aresetn": ("wire $reset", "must be driven by resets, in step with the"),
    "-part $part": ("-part xc7z010clg400-1", "create_project: the part must be xc7z020clg400-1"),
    "create_project project ": ("create_project work ", "project.gen/sources_1/bd/system"),
    # with which arguments, in what order, with which options
    "{part family clock": ("{part clock", "argument family: must be one of part, clock_mhz, in_"),
    "out jobs}": ("out jobs speed}", "argument speed: is missing"),
    "assign_bd_address\n": ("", "nothing is in the address space of ps/M_AXI_GP0"),
    "validate_bd_design\n": ("", "the block design must be valid and saved"),
    "save_bd_design\n": ("", "the block design must be valid and saved"),
    "generate_target all $file\n": ("", "the block design is not generated"),
    "update_ip_catalog -rebuild\n": ("", "the catalog has no zynqfire:zynqfire:zynqfire:1.0"),
    "set_property top ${design}_wrapper": ("set_property top $design", "top is system"),
    "-files $file -top": ("-files $file", "make_wrapper: needs -top"),
    "finish synth_1\n": ("", "synth_1 is not complete"),
    "finish impl_1\n": ("", "impl_1 is not complete"),
    "open_run impl_1\n": ("", "no implemented design is open"),
    " -to_step write_bitstream": ("", "system_wrapper.bit"),
    "-max_paths 10": ("-max_path 10", "report_timing_summary: there is no option -max_path"),
    "-latest_file_version": ("-latest", "get_board_parts: there is no option -latest"),
    "validate_bd_design": ("validate_design", 'invalid command name "validate_design"'),
    "launch_runs synth_1": ("launch_runs synth_1 impl_1", "takes 1 to 1 words, not 2"),
    "set_msg_config -id {Synth 8-4445} -new_severity ERROR\n": ("", "contents pass .Synth 8-4445"),
    "-id {Synth 8-2898} -string {$readmem} ": ("-id {Synth 8-2898} ", "contents pass .Synth 8-2"),
    "close_project": ("", "leaves its project open"),
    "_wrapper.bit] [file": (".bit] [file", "system.bit"),
    "hw_handoff": ("handoff", "handoff/system.hwh"),
}
ULTRASCALE = {
    "PL0_REF_CTRL__FREQMHZ $clock_mhz": (
        "PL0_REF_CTRL__FREQMHZ 150",
        "PL0_REF_CTRL__FREQMHZ of ps must be 200",
    ),
    "{apply_board_preset 1}": ("{apply_board_preset 0}", "preset must be applied where there is a"),
    "[lindex $boards end]": (
        "[lindex $boards 0]",
        "a newer board part than xilinx.com:zcu104:part0:1.0",
    ),
    "DATA_WIDTH 128": ("DATA_WIDTH 64", "PSU__SAXIGP2__DATA_WIDTH of ps must be 128"),
    "set address_bits 40": ("set address_bits 32", "HP0_DDR_HIGH is out of the 32 bits of axi_dma"),
    "CONFIG.PSU__USE__M_AXI_GP1 0 \\\n": ("", "ps/(maxihpm1_fpd_aclk|M_AXI_HPM1_FPD) is not conn"),
    "CONFIG.PSU__USE__S_AXI_GP2 1": ("CONFIG.PSU__USE__S_AXI_GP3 1", "saxihp0_fpd_aclk: must be"),
    "ps/saxihp0_fpd_aclk": ("ps/saxihp0_aclk", "get_bd_pins ps/saxihp0_aclk: must be one"),
    "CONFIG.PSU__USE__IRQ0 1": ("CONFIG.PSU__USE__IRQ0 0", "get_bd_pins ps/pl_ps_irq0: must be"),
    "set master ps/M_AXI_HPM0_FPD": ("set master ps/M_AXI_GP0", "ps/M_AXI_GP0: must be one"),
    "bd_rule:zynq_ultra_ps_e": ("bd_rule:zynq_ps", "there is no xilinx.com:bd_rule:zynq_ps"),
}
PACKAGE = {
    "ASSOCIATED_BUSIF s_axis:m_axis:s_axi": (
        "ASSOCIATED_BUSIF s_axis:s_axi",
        "m_axis must be with aclk",
    ),
    "ASSOCIATED_RESET aresetn": ("ASSOCIATED_RESET aclk", "ASSOCIATED_RESET of aclk must be ares"),
    "SENSITIVITY LEVEL_HIGH": ("SENSITIVITY EDGE_RISING", "SENSITIVITY of irq must be LEVEL_HIGH"),
    "PROTOCOL AXI4LITE": ("PROTOCOL AXI4", "PROTOCOL of s_axi must be AXI4LITE"),
    "range 4096": ("range 65536", "range of the registers must be 4096"),
    "base_address 0": ("base_address 4096", "base_address of the registers must be 0"),
    "width 32": ("width 64", "width of the registers must be 32"),
    "-set_current true": ("-set_current false", "there is no open core"),
    "-fileset sources_1 $path": ("-fileset sim_1 $path", "must be in sources_1, not sim_1"),
    "{Memory Initialization Files}": ("{Memory Contents}", "there is no file type Memory Cont"),
    "POLARITY ACTIVE_LOW": ("POLARITY ACTIVE_HIGH", "POLARITY of aresetn must be ACTIVE_LOW"),
    "-vendor zynqfire": ("-vendor other", "the catalog has no zynqfire:zynqfire:zynqfire:1.0"),
    "set_property version 1.0": ("set_property version 1.1", "the catalog has no zynqfire:zynq"),
    "set_property core_revision 1 $core\n": ("", "core_revision"),
    "set_property top $top": ("set_property top zynqfire_ip", "zynqfire_ip.sv must be Verilog"),
    "ipx::create_xgui_files $core\n": ("", "ipx::create_xgui_files comes before"),
    "ipx::update_checksums $core\n": ("", "ipx::update_checksums comes before"),
    "ipx::save_core $core\n": ("", "saves no core"),
    "-taxonomy /UserIP": ("-taxonomie /UserIP", "there is no option -taxonomie"),
    "set_property slave_memory_map_ref s_axi $interface(s_axi)": ("", "slave_memory_map_ref"),
    "close_project\n": ("", "leaves its project open"),
}


def refused(run, sentence, **how):
    with pytest.raises(Refusal) as caught:
        run(**how)
    assert re.search(sentence, str(caught.value)), caught.value


@pytest.mark.parametrize("old", BUILD)
def test_a_wrong_block_design_is_noticed(run, old):
    """Of a Zynq-7000: each change is an error that says what is wrong."""
    new, sentence = BUILD[old]
    refused(run, sentence, old=old, new=new)


@pytest.mark.parametrize("old", ULTRASCALE)
def test_a_wrong_block_design_of_ultrascale_is_noticed(run, old):
    """What is different there."""
    new, sentence = ULTRASCALE[old]
    refused(run, sentence, family="xcup", old=old, new=new)


@pytest.mark.parametrize("old", PACKAGE)
def test_a_wrong_package_is_noticed(run, old):
    """Each change of the packager's script is an error, there or in the block design."""
    new, sentence = PACKAGE[old]
    refused(run, sentence, script="package_ip.tcl", old=old, new=new)


TOPS = {
    "s_axis TVALID": ("s_axis TVALD", "has no signal TVALD"),
    "s_axis TREADY": ("m_axis TREADY", "does not fit the others of m_axis|m_axis has two TREADY"),
    "output wire irq": ("input wire irq", "interface irq: must be .* master, not .* slave"),
    "s_axis:m_axis:s_axi,": ("s_axis:m_axis:s_axil,", "ASSOCIATED_BUSIF of aclk names s_axil"),
    "interface:axis:1.0 m_axis TLAST": ("interface:axis:1.0 n_axis TLAST", "has no TLAST"),
    "input  wire [63:0]": ("input  wire [31:0]", "M_AXIS_MM2S has 64 bits, zynqfire_0/s_axis 32"),
}


@pytest.mark.parametrize("old", TOPS)
def test_a_wrong_top_is_noticed(run, old):
    """The stubs read the interfaces from the Verilog top's attributes, as Vivado does."""
    new, sentence = TOPS[old]

    def top(text):
        assert old in text
        return text.replace(old, new, 1)

    refused(run, sentence, top=top)


def test_a_board_that_vivado_does_not_know_is_refused(run, monkeypatch):
    """The files of a board that Vivado does not have."""
    board = replace(vivado.catalog.load("pynq-z2"), board_part="x:y")
    monkeypatch.setattr(vivado.catalog, "load", lambda name: board)
    refused(run, "board x:y: its files must be installed in Vivado")


def test_scripts_name_no_board():
    """Boards are files of their own."""
    text = "".join(file.read_text() for file in SCRIPTS.glob("*.tcl")).lower()
    assert not [name for name in vivado.catalog.names() if name in text]
    assert "pynq_z" not in text and "zcu1" not in text


def test_without_tcl_the_check_fails(monkeypatch):
    """It is not skipped: this Python's Tcl, or else tclsh, or else an error."""
    sys.path.insert(0, str(vivado_builds.FOLDER))
    tcl = importlib.import_module("tcl")
    sys.path.pop(0)
    monkeypatch.setattr(tcl.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(tcl.shutil, "which", lambda name: "/bin/tclsh")
    assert tcl.command("file") == ["/bin/tclsh", "file"]
    monkeypatch.setattr(tcl.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"needs Tcl 8\.6: a Python with tkinter, or tclsh"):
        tcl.command("file")
