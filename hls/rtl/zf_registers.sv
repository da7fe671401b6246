// SPDX-License-Identifier: Apache-2.0
//
// zf_registers: address decoder of the registers. Generated from hls/registers.toml by
// python -m zynqfire.hls.registers; docs/registers.md describes them.
//
//   NAME_write_o(t + 1) = write_i(t) to NAME with all bytes, its fields' bits beside it
//   read_data_o(t + 2) = the fields of the register at read_word_i(t), where read_i(t)
// refused_o says a cycle after an access that no such register can be read or written, or not all
// bytes were; a read of none gives 0. read_data_o holds until the next read.
//
// Latency: 1 cycle writing, 2 reading. Throughput: a write and a read a cycle.

module zf_registers (
    input  logic clk_i,
    input  logic rst_i,
    input  logic write_i,
    input  logic [9:0] write_word_i,  // address / 4
    input  logic [31:0] write_data_i,
    input  logic write_whole_i,  // all four bytes
    input  logic read_i,
    input  logic [9:0] read_word_i,
    output logic [31:0] read_data_o,
    input  logic status_running_i,
    input  logic status_refused_i,
    input  logic status_draining_i,
    input  logic control_lines_i,
    input  logic control_live_i,
    input  logic [31:0] network_i,
    input  logic [31:0] input_bytes_i,
    input  logic [31:0] output_bytes_i,
    input  logic [7:0] ports_in_bytes_i,
    input  logic [7:0] ports_out_bytes_i,
    input  logic [31:0] packet_i,
    input  logic [31:0] frames_in_i,
    input  logic [31:0] frames_out_i,
    input  logic [31:0] latency_i,
    input  logic [31:0] interval_i,
    input  logic [31:0] input_stalls_i,
    input  logic [31:0] output_stalls_i,
    input  logic errors_short_i,
    input  logic errors_long_i,
    input  logic errors_keep_i,
    input  logic errors_overrun_i,
    input  logic [31:0] memories_i,
    input  logic [31:0] select_i,
    input  logic memory_loaded_i,
    input  logic memory_signed_i,
    input  logic [31:0] signature_i,
    input  logic [31:0] bad_frame_i,
    input  logic interrupt_packet_i,
    input  logic interrupt_error_i,
    input  logic interrupt_enable_packet_i,
    input  logic interrupt_enable_error_i,
    input  logic [31:0] signatures_i,
    output logic status_write_o,
    output logic status_refused_o,
    output logic control_write_o,
    output logic control_reset_o,
    output logic control_abort_o,
    output logic control_lines_o,
    output logic control_live_o,
    output logic packet_write_o,
    output logic [31:0] packet_o,
    output logic errors_write_o,
    output logic errors_short_o,
    output logic errors_long_o,
    output logic errors_keep_o,
    output logic errors_overrun_o,
    output logic select_write_o,
    output logic [31:0] select_o,
    output logic data_write_o,
    output logic [31:0] data_o,
    output logic interrupt_write_o,
    output logic interrupt_packet_o,
    output logic interrupt_error_o,
    output logic interrupt_enable_write_o,
    output logic interrupt_enable_packet_o,
    output logic interrupt_enable_error_o,
    output logic refused_o
);

  logic [7:0] write_hit, write_q;
  assign write_hit[0] = write_word_i == 10'd2;  // STATUS
  assign write_hit[1] = write_word_i == 10'd3;  // CONTROL
  assign write_hit[2] = write_word_i == 10'd8;  // PACKET
  assign write_hit[3] = write_word_i == 10'd15;  // ERRORS
  assign write_hit[4] = write_word_i == 10'd17;  // SELECT
  assign write_hit[5] = write_word_i == 10'd18;  // DATA
  assign write_hit[6] = write_word_i == 10'd22;  // INTERRUPT
  assign write_hit[7] = write_word_i == 10'd23;  // INTERRUPT_ENABLE
  logic [23:0] read_hit, read_q;
  assign read_hit[0] = read_word_i == 10'd0;  // ID
  assign read_hit[1] = read_word_i == 10'd1;  // VERSION
  assign read_hit[2] = read_word_i == 10'd2;  // STATUS
  assign read_hit[3] = read_word_i == 10'd3;  // CONTROL
  assign read_hit[4] = read_word_i == 10'd4;  // NETWORK
  assign read_hit[5] = read_word_i == 10'd5;  // INPUT_BYTES
  assign read_hit[6] = read_word_i == 10'd6;  // OUTPUT_BYTES
  assign read_hit[7] = read_word_i == 10'd7;  // PORTS
  assign read_hit[8] = read_word_i == 10'd8;  // PACKET
  assign read_hit[9] = read_word_i == 10'd9;  // FRAMES_IN
  assign read_hit[10] = read_word_i == 10'd10;  // FRAMES_OUT
  assign read_hit[11] = read_word_i == 10'd11;  // LATENCY
  assign read_hit[12] = read_word_i == 10'd12;  // INTERVAL
  assign read_hit[13] = read_word_i == 10'd13;  // INPUT_STALLS
  assign read_hit[14] = read_word_i == 10'd14;  // OUTPUT_STALLS
  assign read_hit[15] = read_word_i == 10'd15;  // ERRORS
  assign read_hit[16] = read_word_i == 10'd16;  // MEMORIES
  assign read_hit[17] = read_word_i == 10'd17;  // SELECT
  assign read_hit[18] = read_word_i == 10'd19;  // MEMORY
  assign read_hit[19] = read_word_i == 10'd20;  // SIGNATURE
  assign read_hit[20] = read_word_i == 10'd21;  // BAD_FRAME
  assign read_hit[21] = read_word_i == 10'd22;  // INTERRUPT
  assign read_hit[22] = read_word_i == 10'd23;  // INTERRUPT_ENABLE
  assign read_hit[23] = read_word_i == 10'd24;  // SIGNATURES

  logic [31:0] data_q;
  logic asked_q;
  always_ff @(posedge clk_i) begin
    data_q    <= write_data_i;
    write_q   <= (write_i && write_whole_i && !rst_i) ? write_hit : '0;
    read_q    <= read_hit;
    asked_q   <= read_i && !rst_i;
    refused_o <= !rst_i && ((write_i && !(write_whole_i && write_hit != '0))
                            || (read_i && read_hit == '0));
    if (asked_q) begin
      read_data_o <= ({32{read_q[0]}} & 32'h5a464952)
          | ({32{read_q[1]}} & 32'h00010002)
          | ({32{read_q[2]}} & {29'd0, status_draining_i, status_refused_i, status_running_i})
          | ({32{read_q[3]}} & {28'd0, control_live_i, control_lines_i, 2'd0})
          | ({32{read_q[4]}} & network_i)
          | ({32{read_q[5]}} & input_bytes_i)
          | ({32{read_q[6]}} & output_bytes_i)
          | ({32{read_q[7]}} & {16'd0, ports_out_bytes_i, ports_in_bytes_i})
          | ({32{read_q[8]}} & packet_i)
          | ({32{read_q[9]}} & frames_in_i)
          | ({32{read_q[10]}} & frames_out_i)
          | ({32{read_q[11]}} & latency_i)
          | ({32{read_q[12]}} & interval_i)
          | ({32{read_q[13]}} & input_stalls_i)
          | ({32{read_q[14]}} & output_stalls_i)
          | ({32{read_q[15]}} & {28'd0, errors_overrun_i, errors_keep_i, errors_long_i, errors_short_i})
          | ({32{read_q[16]}} & memories_i)
          | ({32{read_q[17]}} & select_i)
          | ({32{read_q[18]}} & {30'd0, memory_signed_i, memory_loaded_i})
          | ({32{read_q[19]}} & signature_i)
          | ({32{read_q[20]}} & bad_frame_i)
          | ({32{read_q[21]}} & {30'd0, interrupt_error_i, interrupt_packet_i})
          | ({32{read_q[22]}} & {30'd0, interrupt_enable_error_i, interrupt_enable_packet_i})
          | ({32{read_q[23]}} & signatures_i);
    end
  end

  assign status_write_o = write_q[0];
  assign control_write_o = write_q[1];
  assign packet_write_o = write_q[2];
  assign errors_write_o = write_q[3];
  assign select_write_o = write_q[4];
  assign data_write_o = write_q[5];
  assign interrupt_write_o = write_q[6];
  assign interrupt_enable_write_o = write_q[7];
  assign status_refused_o = data_q[1];
  assign control_reset_o = data_q[0];
  assign control_abort_o = data_q[1];
  assign control_lines_o = data_q[2];
  assign control_live_o = data_q[3];
  assign packet_o = data_q;
  assign errors_short_o = data_q[0];
  assign errors_long_o = data_q[1];
  assign errors_keep_o = data_q[2];
  assign errors_overrun_o = data_q[3];
  assign select_o = data_q;
  assign data_o = data_q;
  assign interrupt_packet_o = data_q[0];
  assign interrupt_error_o = data_q[1];
  assign interrupt_enable_packet_o = data_q[0];
  assign interrupt_enable_error_o = data_q[1];

endmodule
