// SPDX-License-Identifier: Apache-2.0
//
// Listens to one stream. With +probe_frame=N it writes the beats of frame N to probe<Index>.bin in
// the folder +run_dir (32-bit words, low word first) and, on stuck_i, the line
// `tvalid tready frame beat` to probe<Index>.txt: the stream's state and the beat it waits for.
// Simulation only.

module zf_tb_probe #(
    parameter int unsigned Width = 1,
    parameter int unsigned FrameBeats = 1,
    parameter int unsigned Index = 0
) (
    input  logic             clk_i,      // stands still without +probe_frame
    input  logic             rst_i,
    input  logic             stuck_i,
    input  logic [Width-1:0] tdata_i,
    input  logic             tvalid_i,
    input  logic             tready_i
);

  logic        told_q;
  logic [31:0] wanted, frame_q, beat_q;
  string       folder;
  integer      beats_fd, state_fd;

  initial begin
    if ($value$plusargs("probe_frame=%d", wanted) != 0) begin
      if ($value$plusargs("run_dir=%s", folder) == 0) $fatal(1, "%m: no +run_dir");
      beats_fd = $fopen($sformatf("%s/probe%0d.bin", folder, Index), "wb");
      state_fd = $fopen($sformatf("%s/probe%0d.txt", folder, Index), "w");
      if (beats_fd == 0 || state_fd == 0) $fatal(1, "%m: cannot open files in %s", folder);
    end
  end

  always @(posedge clk_i) begin
    if (rst_i) begin
      told_q  <= 1'b0;
      frame_q <= 0;
      beat_q  <= 0;
      if ($fseek(beats_fd, 0, 0) != 0) $fatal(1, "%m: cannot start over in %s", folder);
    end else begin
      if (tvalid_i && tready_i) begin
        if (frame_q == wanted) $fwrite(beats_fd, "%u", tdata_i);
        beat_q <= beat_q + 1;
        if (beat_q == FrameBeats - 1) begin
          beat_q  <= 0;
          frame_q <= frame_q + 1;
        end
      end
      if (stuck_i && !told_q) begin
        told_q <= 1'b1;
        $fdisplay(state_fd, "%0d %0d %0d %0d", tvalid_i, tready_i, frame_q, beat_q);
      end
    end
  end

endmodule
