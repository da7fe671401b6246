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
    input  logic [31:0] memories_i,
    input  logic [31:0] select_i,
    input  logic memory_loaded_i,
    input  logic memory_signed_i,
    input  logic [31:0] signature_i,
    output logic status_write_o,
    output logic status_refused_o,
    output logic select_write_o,
    output logic [31:0] select_o,
    output logic data_write_o,
    output logic [31:0] data_o,
    output logic refused_o
);

  logic [2:0] write_hit, write_q;
  assign write_hit[0] = write_word_i == 10'd2;  // STATUS
  assign write_hit[1] = write_word_i == 10'd17;  // SELECT
  assign write_hit[2] = write_word_i == 10'd18;  // DATA
  logic [6:0] read_hit, read_q;
  assign read_hit[0] = read_word_i == 10'd0;  // ID
  assign read_hit[1] = read_word_i == 10'd1;  // VERSION
  assign read_hit[2] = read_word_i == 10'd2;  // STATUS
  assign read_hit[3] = read_word_i == 10'd16;  // MEMORIES
  assign read_hit[4] = read_word_i == 10'd17;  // SELECT
  assign read_hit[5] = read_word_i == 10'd19;  // MEMORY
  assign read_hit[6] = read_word_i == 10'd20;  // SIGNATURE

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
          | ({32{read_q[1]}} & 32'h00010000)
          | ({32{read_q[2]}} & {30'd0, status_refused_i, status_running_i})
          | ({32{read_q[3]}} & memories_i)
          | ({32{read_q[4]}} & select_i)
          | ({32{read_q[5]}} & {30'd0, memory_signed_i, memory_loaded_i})
          | ({32{read_q[6]}} & signature_i);
    end
  end

  assign status_write_o = write_q[0];
  assign select_write_o = write_q[1];
  assign data_write_o = write_q[2];
  assign status_refused_o = data_q[1];
  assign select_o = data_q;
  assign data_o = data_q;

endmodule
