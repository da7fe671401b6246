// SPDX-License-Identifier: Apache-2.0
//
// zf_control: the registers of docs/registers.md behind an AXI4-Lite slave: modes and resets, what
// the streams did, the memories to load.
//
//   soft_o for ResetCycles after a write of 1 to CONTROL.reset, abort_o after one to CONTROL.abort
// Responses are always OKAY; what is refused sets STATUS.refused.
//
// Latency: 2 cycles from awvalid and wvalid to bvalid, 3 to load_*_o, modes and resets; 3 from
// arvalid to rvalid. What is read after a write's response sees the write. Throughput: a write a
// cycle, a read in 4.

module zf_control #(
    parameter int Memories = 0,
    parameter logic [32*(Memories < 1 ? 1 : Memories)-1:0] Words = '0,
    parameter int Signatures = Memories,  // of the memories to load, then of those in ROM
    parameter logic [31:0] Network = 32'd0,
    parameter int InputBytes = 1,   // of a frame
    parameter int OutputBytes = 4,
    parameter int InBytes = 4,      // of a beat
    parameter int OutBytes = 4,
    localparam int Loads = Memories < 1 ? 1 : Memories,
    localparam int Signs = Signatures < 1 ? 1 : Signatures
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [        11:0] s_axi_awaddr,
    input  logic                s_axi_awvalid,
    output logic                s_axi_awready,
    input  logic [        31:0] s_axi_wdata,
    input  logic [         3:0] s_axi_wstrb,
    input  logic                s_axi_wvalid,
    output logic                s_axi_wready,
    output logic [         1:0] s_axi_bresp,
    output logic                s_axi_bvalid,
    input  logic                s_axi_bready,
    input  logic [        11:0] s_axi_araddr,
    input  logic                s_axi_arvalid,
    output logic                s_axi_arready,
    output logic [        31:0] s_axi_rdata,
    output logic [         1:0] s_axi_rresp,
    output logic                s_axi_rvalid,
    input  logic                s_axi_rready,
    output logic                irq_o,
    // Modes and resets
    output logic                lines_o,
    output logic                live_o,
    output logic [        15:0] packet_o,       // frames in a packet
    output logic                soft_o,
    output logic                abort_o,
    input  logic                draining_i,
    // What happens, as zf_monitor takes it
    input  logic                begin_i,
    input  logic                in_i,
    input  logic [         3:0] faults_i,
    input  logic                late_i,
    input  logic                out_i,
    input  logic                packet_i,
    input  logic                input_stall_i,
    input  logic                output_stall_i,
    // Memories to load, and signatures
    output logic                run_o,
    output logic                load_begin_o,
    output logic [   Loads-1:0] load_we_o,
    output logic [        31:0] load_data_o,
    input  logic [32*Signs-1:0] signatures_i,
    input  logic [   Signs-1:0] signed_i
);

  localparam int ResetCycles = 16;

  if (Memories < 0 || Signatures < Memories || InputBytes < 1 || OutputBytes < 1) begin : gen_bad
    initial
      $fatal(1, "%m: Memories %0d, Signatures %0d, InputBytes %0d or OutputBytes %0d out of range",
             Memories, Signatures, InputBytes, OutputBytes);
  end

  logic write, write_whole, read;
  logic [9:0] write_word, read_word;
  logic [31:0] write_data, read_data;
  zf_axi_lite u_axi_lite (
      .clk_i, .rst_i, .s_axi_awaddr, .s_axi_awvalid, .s_axi_awready, .s_axi_wdata, .s_axi_wstrb,
      .s_axi_wvalid, .s_axi_wready, .s_axi_bresp, .s_axi_bvalid, .s_axi_bready, .s_axi_araddr,
      .s_axi_arvalid, .s_axi_arready, .s_axi_rdata, .s_axi_rresp, .s_axi_rvalid, .s_axi_rready,
      .write_o(write), .write_word_o(write_word), .write_data_o(write_data),
      .write_whole_o(write_whole), .read_o(read), .read_word_o(read_word), .read_data_i(read_data)
  );

  logic status_write, clear_refused, control_write, control_reset, control_abort, control_lines;
  logic control_live, packet_write, errors_write, select_write, data_write, interrupt_write;
  logic enable_write, bad_access, bad_packet, bad_load, refused_q, loaded, seen, draining_q;
  logic [31:0] packet, select, selected, data, signature;
  logic [31:0] frames_in, frames_out, latency, interval, input_stalls, output_stalls, bad_frame;
  logic [3:0] errors, errors_given;
  logic [1:0] interrupts, interrupts_given, enable_given, enable_q;
  zf_registers u_registers (
      .clk_i, .rst_i, .write_i(write), .write_word_i(write_word), .write_data_i(write_data),
      .write_whole_i(write_whole), .read_i(read), .read_word_i(read_word), .read_data_o(read_data),
      .status_running_i(run_o), .status_refused_i(refused_q), .status_draining_i(draining_q),
      .control_lines_i(lines_o), .control_live_i(live_o), .network_i(Network),
      .input_bytes_i(32'(InputBytes)), .output_bytes_i(32'(OutputBytes)),
      .ports_in_bytes_i(8'(InBytes)), .ports_out_bytes_i(8'(OutBytes)), .packet_i(32'(packet_o)),
      .frames_in_i(frames_in), .frames_out_i(frames_out), .latency_i(latency),
      .interval_i(interval), .input_stalls_i(input_stalls), .output_stalls_i(output_stalls),
      .errors_short_i(errors[0]), .errors_long_i(errors[1]), .errors_keep_i(errors[2]),
      .errors_overrun_i(errors[3]), .memories_i(32'(Memories)), .select_i(selected),
      .memory_loaded_i(loaded), .memory_signed_i(seen), .signature_i(signature),
      .bad_frame_i(bad_frame), .interrupt_packet_i(interrupts[0]),
      .interrupt_error_i(interrupts[1]), .interrupt_enable_packet_i(enable_q[0]),
      .interrupt_enable_error_i(enable_q[1]), .signatures_i(32'(Signatures)),
      .status_write_o(status_write), .status_refused_o(clear_refused),
      .control_write_o(control_write), .control_reset_o(control_reset),
      .control_abort_o(control_abort), .control_lines_o(control_lines),
      .control_live_o(control_live), .packet_write_o(packet_write), .packet_o(packet),
      .errors_write_o(errors_write), .errors_short_o(errors_given[0]),
      .errors_long_o(errors_given[1]), .errors_keep_o(errors_given[2]),
      .errors_overrun_o(errors_given[3]), .select_write_o(select_write), .select_o(select),
      .data_write_o(data_write), .data_o(data), .interrupt_write_o(interrupt_write),
      .interrupt_packet_o(interrupts_given[0]), .interrupt_error_o(interrupts_given[1]),
      .interrupt_enable_write_o(enable_write), .interrupt_enable_packet_o(enable_given[0]),
      .interrupt_enable_error_o(enable_given[1]), .refused_o(bad_access)
  );

  // ------------------------------------------------------------------------------ modes and resets
  logic [$clog2(ResetCycles)-1:0] left_q;  // cycles of the soft reset after this one
  assign bad_packet = packet_write && (packet[31:16] != '0 || packet[15:0] == '0);

  always_ff @(posedge clk_i) begin
    if (control_write) {live_o, lines_o} <= {control_live, control_lines};
    if (packet_write && !bad_packet) packet_o <= packet[15:0];
    if (enable_write) enable_q <= enable_given;
    if (control_write && (control_reset || control_abort)) begin
      soft_o  <= !control_abort;
      abort_o <= control_abort;
      left_q  <= '1;
    end else begin
      if (left_q == '0) {abort_o, soft_o} <= '0;
      left_q <= left_q - 1'b1;
    end
    draining_q <= draining_i || soft_o || abort_o;
    if (bad_access || bad_packet || bad_load) refused_q <= 1'b1;
    else if (status_write && clear_refused) refused_q <= 1'b0;
    if (rst_i) begin
      {live_o, lines_o} <= '0;
      packet_o          <= 16'd1;
      enable_q          <= '0;
      {abort_o, soft_o} <= '0;
      draining_q        <= 1'b0;
      refused_q         <= 1'b0;
    end
  end

  zf_monitor u_monitor (
      .clk_i, .clear_i(rst_i || soft_o || abort_o), .begin_i, .in_i, .faults_i, .late_i, .out_i,
      .packet_i, .input_stall_i, .output_stall_i,
      .clear_errors_i({4{errors_write}} & errors_given),
      .clear_interrupts_i({2{interrupt_write}} & interrupts_given), .enable_i(enable_q),
      .frames_in_o(frames_in), .frames_out_o(frames_out), .latency_o(latency),
      .interval_o(interval), .input_stalls_o(input_stalls), .output_stalls_o(output_stalls),
      .errors_o(errors), .bad_frame_o(bad_frame), .interrupts_o(interrupts), .irq_o
  );

  // -------------------------------------------------------------------------------- the memories
  if (Signatures < 1) begin : g_none
    assign bad_load = select_write || data_write;
    assign {run_o, load_begin_o, load_we_o, load_data_o} = {1'b1, 34'd0};
    assign {selected, loaded, seen, signature} = '0;
    logic unused;
    assign unused = ^{select, data, signatures_i, signed_i};
  end else begin : g_some
    zf_load #(.Memories(Memories), .Words(Words), .Signatures(Signatures)) u_load (
        .clk_i, .rst_i, .select_write_i(select_write), .select_i(select),
        .data_write_i(data_write), .data_i(data), .refused_o(bad_load), .select_o(selected),
        .loaded_o(loaded), .signed_o(seen), .signature_o(signature), .run_o,
        .begin_o(load_begin_o), .we_o(load_we_o), .data_o(load_data_o), .signatures_i, .signed_i
    );
  end

endmodule
