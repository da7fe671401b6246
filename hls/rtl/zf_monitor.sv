// SPDX-License-Identifier: Apache-2.0
//
// zf_monitor: counts what passes the accelerator's streams, and notes what is wrong with it.
//
//   frames_in_o, frames_out_o: events; interval_o: cycles between the last two of out_i
//   latency_o: cycles from a begin_i to the out_i of the same frame; frames overtake none, so that
//   it is the one after as many as were inside. One frame is measured at a time.
//   input_stalls_o, output_stalls_o: cycles with the input of that name
//   errors_o, interrupts_o: bits set by events and cleared by writing 1; an event of the same cycle wins
//   bad_frame_o: the number of frames in before the one with the last error
// clear_i starts all of it over. irq_o is a level.
//
// Latency: 1 cycle, 2 to irq_o. Throughput: every event every cycle.

module zf_monitor (
    input  logic        clk_i,
    input  logic        clear_i,
    input  logic        begin_i,           // a frame's first beat goes in
    input  logic        in_i,              // a frame's last beat goes in
    input  logic [ 3:0] faults_i,          // short, long, keep, overrun, low bit first
    input  logic        late_i,            // the faults are of the frame before
    input  logic        out_i,             // a frame's last beat goes out
    input  logic        packet_i,          // a packet's last beat goes out
    input  logic        input_stall_i,
    input  logic        output_stall_i,
    input  logic [ 3:0] clear_errors_i,
    input  logic [ 1:0] clear_interrupts_i,
    input  logic [ 1:0] enable_i,
    output logic [31:0] frames_in_o,
    output logic [31:0] frames_out_o,
    output logic [31:0] latency_o,
    output logic [31:0] interval_o,
    output logic [31:0] input_stalls_o,
    output logic [31:0] output_stalls_o,
    output logic [ 3:0] errors_o,
    output logic [31:0] bad_frame_o,
    output logic [ 1:0] interrupts_o,      // packet, error
    output logic        irq_o
);

  logic [31:0] lasting_q, since_q;
  logic [15:0] inside_q, ahead_q;  // frames that have begun; those among them before the measured
  logic measures_q, alone_q, one_out_q, starts, ends;  // alone: none is before the measured
  assign starts = begin_i && !measures_q;
  assign ends   = out_i && measures_q && alone_q;

  always_ff @(posedge clk_i) begin
    frames_in_o     <= frames_in_o + 32'(in_i);
    frames_out_o    <= frames_out_o + 32'(out_i);
    input_stalls_o  <= input_stalls_o + 32'(input_stall_i);
    output_stalls_o <= output_stalls_o + 32'(output_stall_i);

    inside_q  <= inside_q + 16'(begin_i) - 16'(out_i);
    lasting_q <= starts ? 32'd1 : lasting_q + 1'b1;
    if (starts) begin
      measures_q <= 1'b1;
      ahead_q    <= inside_q - 16'(out_i);
      alone_q    <= inside_q == 16'(out_i);
    end else if (out_i) begin
      ahead_q <= ahead_q - 1'b1;
      alone_q <= ahead_q == 16'd1;
    end
    if (ends) begin
      measures_q <= 1'b0;
      latency_o  <= lasting_q;
    end

    since_q <= out_i ? 32'd1 : since_q + 1'b1;
    if (out_i) one_out_q <= 1'b1;
    if (out_i && one_out_q) interval_o <= since_q;

    errors_o     <= (errors_o & ~clear_errors_i) | faults_i;
    interrupts_o <= (interrupts_o & ~clear_interrupts_i) | {faults_i != '0, packet_i};
    irq_o        <= (interrupts_o & enable_i) != '0;
    if (faults_i != '0) bad_frame_o <= frames_in_o - 32'(late_i);

    if (clear_i) begin
      frames_in_o     <= '0;
      frames_out_o    <= '0;
      latency_o       <= '0;
      interval_o      <= '0;
      input_stalls_o  <= '0;
      output_stalls_o <= '0;
      inside_q        <= '0;
      measures_q      <= 1'b0;
      one_out_q       <= 1'b0;
      errors_o        <= '0;
      interrupts_o    <= '0;
      irq_o           <= 1'b0;
      bad_frame_o     <= '0;
    end
  end

endmodule
