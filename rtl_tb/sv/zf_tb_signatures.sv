// SPDX-License-Identifier: Apache-2.0
//
// Writes a design's signatures to signatures.txt in the folder +run_dir on check_i, a line a memory:
// its state as the register MEMORY has it (1 loaded, 2 read whole), and the signature; then raises
// checked_o. Reset starts over.
// Simulation only.

module zf_tb_signatures #(
    parameter int Count = 1
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                check_i,
    input  logic [32*Count-1:0] signatures_i,
    input  logic [   Count-1:0] signed_i,
    output logic                checked_o
);

  string  folder;
  integer found_fd;

  initial begin
    if ($value$plusargs("run_dir=%s", folder) == 0) $fatal(1, "%m: no +run_dir");
    checked_o = 1'b0;
  end

  always @(posedge clk_i) begin
    if (rst_i) begin
      checked_o <= 1'b0;
    end else if (check_i && !checked_o) begin
      found_fd = $fopen({folder, "/signatures.txt"}, "w");
      if (found_fd == 0) $fatal(1, "%m: cannot open a file in %s", folder);
      for (int m = 0; m < Count; m++) begin
        $fdisplay(found_fd, "%0d %0d", {signed_i[m], 1'b1}, signatures_i[32*m+:32]);
      end
      $fclose(found_fd);
      checked_o <= 1'b1;
    end
  end

endmodule
