// SPDX-License-Identifier: Apache-2.0
//
// Takes a stream in every clock but those stalled. Writes its beats to outputs.bin in the folder
// +run_dir (32-bit words, low word first) and the clock of each frame's last beat to ends.bin
// (64 bits each). Counts what breaks the stream's rules: a beat withdrawn or changed before it was
// taken, tlast anywhere but on a frame's last beat, beats after the last of +frames=N frames.
// Reset starts over.
// Simulation only.

module zf_tb_sink #(
    parameter int unsigned Width = 32,
    parameter int unsigned FrameBeats = 1
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             stall_i,
    input  logic [63:0]      cycle_i,
    input  logic [Width-1:0] s_tdata_i,
    input  logic             s_tvalid_i,
    output logic             s_tready_o,
    input  logic             s_tlast_i,
    output logic [31:0]      frames_o,     // received whole
    output logic             done_o,       // all of them
    output logic [31:0]      unstable_o,   // beats withdrawn or changed under stall
    output logic [31:0]      bad_last_o,   // tlast missing or early
    output logic [31:0]      extra_o       // beats after the last frame
);

  logic [31:0]      frames, beat_q;
  logic [Width-1:0] held_q;
  logic             held_last_q, waiting_q;
  string            folder;
  integer           outputs_fd, ends_fd;

  initial begin
    if ($value$plusargs("frames=%d", frames) == 0) $fatal(1, "%m: no +frames");
    if ($value$plusargs("run_dir=%s", folder) == 0) $fatal(1, "%m: no +run_dir");
    outputs_fd = $fopen({folder, "/outputs.bin"}, "wb");
    ends_fd = $fopen({folder, "/ends.bin"}, "wb");
    if (outputs_fd == 0 || ends_fd == 0) $fatal(1, "%m: cannot open files in %s", folder);
  end

  assign done_o = frames_o == frames;

  always @(posedge clk_i) begin
    if (rst_i) begin
      s_tready_o <= 1'b0;
      waiting_q  <= 1'b0;
      frames_o   <= 0;
      beat_q     <= 0;
      unstable_o <= 0;
      bad_last_o <= 0;
      extra_o    <= 0;
      if ($fseek(outputs_fd, 0, 0) != 0 || $fseek(ends_fd, 0, 0) != 0) begin
        $fatal(1, "%m: cannot start over in %s", folder);
      end
    end else begin
      s_tready_o <= !stall_i;
      waiting_q  <= s_tvalid_i && !s_tready_o;
      if (waiting_q && (!s_tvalid_i || s_tdata_i != held_q || s_tlast_i != held_last_q)) begin
        unstable_o <= unstable_o + 1;
      end
      if (s_tvalid_i) begin
        held_q      <= s_tdata_i;
        held_last_q <= s_tlast_i;
      end
      if (s_tvalid_i && s_tready_o) begin
        if (done_o) begin
          extra_o <= extra_o + 1;
        end else begin
          $fwrite(outputs_fd, "%u", s_tdata_i);
          if (s_tlast_i != (beat_q == FrameBeats - 1)) bad_last_o <= bad_last_o + 1;
          beat_q <= beat_q + 1;
          if (beat_q == FrameBeats - 1) begin
            beat_q   <= 0;
            frames_o <= frames_o + 1;
            $fwrite(ends_fd, "%u", cycle_i);
            // The bench reads both files when the last frame is in or nothing moves any more.
            $fflush(outputs_fd);
            $fflush(ends_fd);
          end
        end
      end
    end
  end

endmodule
