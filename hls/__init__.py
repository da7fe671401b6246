"""From QONNX to SystemVerilog: lowering, the IR and its interpreter, passes, emission."""
