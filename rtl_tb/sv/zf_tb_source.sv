// SPDX-License-Identifier: Apache-2.0
//
// Feeds a stream from frames.bin in the folder +run_dir: FrameBeats beats a frame, the bytes of a
// beat most significant first. Offers a beat in every clock but those stalled, holds an offered
// beat until it is taken, and shows inverted data while it offers nothing. Writes the clock in
// which the first beat of each frame is taken to starts.bin, 64 bits each. Reset starts over.
// Simulation only.

module zf_tb_source #(
    parameter int unsigned Bytes = 1,       // a beat
    parameter int unsigned FrameBeats = 1
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               stall_i,
    input  logic [63:0]        cycle_i,
    output logic [Bytes*8-1:0] m_tdata_o,
    output logic               m_tvalid_o,
    input  logic               m_tready_i,
    output logic               m_tlast_o
);

  logic [Bytes*8-1:0] beat;
  logic [31:0]        beat_q;  // index in the frame of the beat on offer
  string              folder;
  integer             frames_fd, starts_fd;

  initial begin
    if ($value$plusargs("run_dir=%s", folder) == 0) $fatal(1, "%m: no +run_dir");
    frames_fd = $fopen({folder, "/frames.bin"}, "rb");
    starts_fd = $fopen({folder, "/starts.bin"}, "wb");
    if (frames_fd == 0 || starts_fd == 0) $fatal(1, "%m: cannot open files in %s", folder);
    m_tvalid_o = 1'b0;
  end

  always @(posedge clk_i) begin
    if (rst_i) begin
      m_tvalid_o <= 1'b0;
      m_tlast_o  <= 1'b0;
      m_tdata_o  <= '1;
      beat_q     <= FrameBeats - 1;
      if ($fseek(frames_fd, 0, 0) != 0 || $fseek(starts_fd, 0, 0) != 0) begin
        $fatal(1, "%m: cannot start over in %s", folder);
      end
    end else begin
      if (m_tvalid_o && m_tready_i && beat_q == 0) begin
        $fwrite(starts_fd, "%u", cycle_i);
        $fflush(starts_fd);
      end
      if (!m_tvalid_o || m_tready_i) begin
        if (!stall_i && $fread(beat, frames_fd) == Bytes) begin
          m_tvalid_o <= 1'b1;
          m_tdata_o  <= beat;
          m_tlast_o  <= beat_q == FrameBeats - 2 || FrameBeats == 1;
          beat_q     <= beat_q == FrameBeats - 1 ? 0 : beat_q + 1;
        end else begin
          m_tvalid_o <= 1'b0;
          m_tdata_o  <= ~m_tdata_o;
          m_tlast_o  <= 1'b0;
        end
      end
    end
  end

endmodule
