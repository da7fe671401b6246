// SPDX-License-Identifier: Apache-2.0
//
// Loads a design's memories over AXI4-Lite as loads.txt in the folder +run_dir says, a line a
// memory: how many writes, and the file that holds them, a hexadecimal word a line. A write each
// cycle that the design takes it. loaded_o rises when the last one is answered; load_cycles_o counts
// the clocks until then. On check_i it reads each memory's state and signature, writes them to
// signatures.txt, a line a memory, and raises checked_o. Reset starts over.
// Simulation only.

module zf_tb_loader #(
    parameter logic [11:0] Select    = 12'd0,  // addresses of the registers
    parameter logic [11:0] Data      = 12'd4,
    parameter logic [11:0] State     = 12'd8,
    parameter logic [11:0] Signature = 12'd12,
    parameter int Signatures = 1
) (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        check_i,
    output logic        moved_o,        // a write was taken or a read answered
    output logic        loaded_o,
    output logic        checked_o,
    output logic [63:0] load_cycles_o,
    output logic [31:0] bad_o,          // responses other than OKAY
    output logic [11:0] awaddr_o,
    output logic        awvalid_o,
    input  logic        awready_i,
    output logic [31:0] wdata_o,
    output logic        wvalid_o,
    input  logic        wready_i,
    input  logic [ 1:0] bresp_i,
    input  logic        bvalid_i,
    output logic [11:0] araddr_o,
    output logic        arvalid_o,
    input  logic        arready_i,
    input  logic [31:0] rdata_i,
    input  logic [ 1:0] rresp_i,
    input  logic        rvalid_i
);

  typedef enum logic [2:0] {Open, Write, Drain, Wait, Choose, Chosen, Ask, Done} step_e;

  step_e       step_q;
  logic [31:0] left_q, memory_q, memories_q, due_q, word, state_q;
  logic        issue, asked_q;
  string       folder, file;
  integer      plan_fd, words_fd, found_fd;

  initial begin
    if ($value$plusargs("run_dir=%s", folder) == 0) $fatal(1, "%m: no +run_dir");
    plan_fd  = $fopen({folder, "/loads.txt"}, "r");
    found_fd = $fopen({folder, "/signatures.txt"}, "w");
    if (plan_fd == 0 || found_fd == 0) $fatal(1, "%m: cannot open files in %s", folder);
    words_fd = 0;
  end

  // Address and data go together; the next pair when both are taken
  assign issue = (!awvalid_o || awready_i) && (!wvalid_o || wready_i);
  assign moved_o = (awvalid_o && awready_i) || rvalid_i;
  assign loaded_o = step_q >= Wait;
  assign checked_o = step_q == Done;

  always @(posedge clk_i) begin
    if (rst_i) begin
      step_q        <= Open;
      memory_q      <= 0;
      memories_q    <= 0;
      due_q         <= 0;
      bad_o         <= 0;
      load_cycles_o <= 0;
      awvalid_o     <= 1'b0;
      wvalid_o      <= 1'b0;
      arvalid_o     <= 1'b0;
      asked_q       <= 1'b0;
      if ($fseek(plan_fd, 0, 0) != 0 || $fseek(found_fd, 0, 0) != 0) begin
        $fatal(1, "%m: cannot start over in %s", folder);
      end
      if (words_fd != 0) $fclose(words_fd);
      words_fd = 0;
    end else begin
      if (!loaded_o) load_cycles_o <= load_cycles_o + 1;
      if (awready_i) awvalid_o <= 1'b0;
      if (wready_i) wvalid_o <= 1'b0;
      if (arready_i) arvalid_o <= 1'b0;
      due_q <= due_q - 32'(bvalid_i);
      if ((bvalid_i && bresp_i != 0) || (rvalid_i && rresp_i != 0)) bad_o <= bad_o + 1;
      case (step_q)
        Open:
        if (issue) begin  // the next memory, or the end of the list
          if ($fscanf(plan_fd, "%d %s\n", left_q, file) == 2) begin
            words_fd = $fopen(file, "r");
            if (words_fd == 0) $fatal(1, "%m: cannot open %s", file);
            awaddr_o   <= Select;
            wdata_o    <= memories_q;
            awvalid_o  <= 1'b1;
            wvalid_o   <= 1'b1;
            due_q      <= due_q + 1 - 32'(bvalid_i);
            memories_q <= memories_q + 1;
            step_q     <= Write;
          end else begin
            step_q <= Drain;
          end
        end
        Write:
        if (issue) begin
          if (left_q != 0 && $fscanf(words_fd, "%h\n", word) == 1) begin
            awaddr_o  <= Data;
            wdata_o   <= word;
            awvalid_o <= 1'b1;
            wvalid_o  <= 1'b1;
            due_q     <= due_q + 1 - 32'(bvalid_i);
            left_q = left_q - 1;
          end else begin
            $fclose(words_fd);
            words_fd = 0;
            step_q <= Open;
          end
        end
        Drain: if (due_q == 0) step_q <= Wait;
        Wait: if (check_i) step_q <= Choose;
        Choose:
        if (memory_q == 32'(Signatures)) begin
          $fflush(found_fd);
          step_q <= Done;
        end else begin
          awaddr_o  <= Select;
          wdata_o   <= memory_q;
          awvalid_o <= 1'b1;
          wvalid_o  <= 1'b1;
          step_q    <= Chosen;
        end
        Chosen:
        if (bvalid_i) begin
          due_q     <= 0;
          araddr_o  <= State;
          arvalid_o <= 1'b1;
          step_q    <= Ask;
        end
        Ask:
        if (rvalid_i) begin
          asked_q <= !asked_q;
          if (!asked_q) begin
            state_q   <= rdata_i;
            araddr_o  <= Signature;
            arvalid_o <= 1'b1;
          end else begin
            $fdisplay(found_fd, "%0d %0d", state_q, rdata_i);
            memory_q <= memory_q + 1;
            step_q   <= Choose;
          end
        end
        default: ;
      endcase
    end
  end

endmodule
