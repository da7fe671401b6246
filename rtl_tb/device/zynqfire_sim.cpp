// SPDX-License-Identifier: Apache-2.0
//
// The model that Verilator makes of zynqfire_ip behind the functions of zynqfire_sim.h.

#include "zynqfire_sim.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

#define ZF_API extern "C" __attribute__((visibility("default")))

namespace {

constexpr unsigned kResponse = 1000;  // clocks that an access of a register may take

// A port of any width as bytes: Verilator's words are little endian, and so are the hosts.
template <class Port>
void to_port(Port &port, const uint8_t *bytes, size_t count) {
  std::memset(&port, 0, sizeof port);
  std::memcpy(&port, bytes, count);
}

}  // namespace

struct zf_sim {
  VerilatedContext context;
  std::unique_ptr<Vtop> top;
  uint64_t clocks = 0;

  std::vector<uint8_t> out;  // the packet that is sent
  size_t out_at = 0;
  bool user = false;
  int sending = ZF_IDLE;

  uint8_t *in = nullptr;  // where the packet that is received goes
  size_t in_bytes = 0, in_at = 0;
  int receiving = ZF_IDLE;

  static constexpr size_t in_beat() { return sizeof(Vtop::s_axis_tdata); }
  static constexpr size_t out_beat() { return sizeof(Vtop::m_axis_tdata); }

  void offer() {
    const bool valid = sending == ZF_BUSY;
    top->s_axis_tvalid = valid;
    if (!valid) return;
    const size_t beat = in_beat(), left = out.size() - out_at, count = left < beat ? left : beat;
    to_port(top->s_axis_tdata, out.data() + out_at, count);
    top->s_axis_tkeep = (1u << count) - 1;
    top->s_axis_tuser = user && out_at == 0;
    top->s_axis_tlast = left <= beat;
  }

  void clock() {
    top->m_axis_tready = receiving == ZF_BUSY;
    top->aclk = 0;
    top->eval();
    const bool sent = top->s_axis_tvalid && top->s_axis_tready && top->aresetn;
    const bool came = top->m_axis_tvalid && top->m_axis_tready && top->aresetn;
    if (came) take();
    top->aclk = 1;
    top->eval();
    ++clocks;
    if (sent) {
      out_at += in_beat();
      if (out_at >= out.size()) sending = ZF_IDLE;
      offer();
    }
    if (context.gotFinish()) {  // an assertion of the design
      sending = receiving = ZF_DEAD;
    }
  }

  void take() {
    const bool last = top->m_axis_tlast;
    if (in_at + out_beat() > in_bytes) {
      receiving = ZF_TOO_LONG;
      return;
    }
    std::memcpy(in + in_at, &top->m_axis_tdata, out_beat());
    in_at += out_beat();
    if (last) receiving = ZF_IDLE;
  }

  bool dead() const { return sending == ZF_DEAD; }
};

ZF_API zf_sim *zf_sim_open(const char *build, uint32_t seed) {
  // $readmemh takes paths from the working folder, at the first evaluation
  const int here = open(".", O_RDONLY | O_DIRECTORY);
  if (here < 0) return nullptr;
  if (chdir(build) != 0) {
    close(here);
    return nullptr;
  }
  auto *sim = new zf_sim;
  sim->context.fatalOnError(false);
  sim->context.randReset(2);
  sim->context.randSeed(static_cast<int>(seed & 0x7fffffff) | 1);
  sim->top = std::make_unique<Vtop>(&sim->context, "top");
  sim->top->aclk = 0;
  sim->top->aresetn = 0;
  sim->top->s_axis_tvalid = 0;
  sim->top->s_axi_awvalid = sim->top->s_axi_wvalid = sim->top->s_axi_arvalid = 0;
  sim->top->s_axi_bready = sim->top->s_axi_rready = 1;
  sim->top->s_axi_awprot = sim->top->s_axi_arprot = 0;
  sim->top->eval();
  if (fchdir(here) != 0) {
    delete sim;
    sim = nullptr;
  }
  close(here);
  if (sim) zf_sim_reset(sim, 16);
  return sim;
}

ZF_API void zf_sim_close(zf_sim *sim) {
  sim->top->final();
  delete sim;
}

ZF_API void zf_sim_reset(zf_sim *sim, unsigned clocks) {
  zf_sim_abort(sim);
  sim->top->aresetn = 0;
  for (unsigned i = 0; i < clocks; ++i) sim->clock();
  sim->top->aresetn = 1;
  for (unsigned i = 0; i < clocks; ++i) sim->clock();
}

ZF_API uint32_t zf_sim_read(zf_sim *sim, uint32_t offset) {
  Vtop &top = *sim->top;
  top.s_axi_araddr = offset;
  top.s_axi_arvalid = 1;
  uint32_t value = 0;
  for (unsigned i = 0; i < kResponse && !sim->dead(); ++i) {
    top.aclk = 0;
    top.eval();
    const bool asked = top.s_axi_arvalid && top.s_axi_arready;
    const bool answered = top.s_axi_rvalid;
    if (answered) value = top.s_axi_rdata;
    sim->clock();
    if (asked) top.s_axi_arvalid = 0;
    if (answered) return value;
  }
  sim->sending = sim->receiving = ZF_DEAD;
  return 0;
}

ZF_API void zf_sim_write(zf_sim *sim, uint32_t offset, uint32_t value) {
  Vtop &top = *sim->top;
  top.s_axi_awaddr = offset;
  top.s_axi_wdata = value;
  top.s_axi_wstrb = 15;
  top.s_axi_awvalid = top.s_axi_wvalid = 1;
  for (unsigned i = 0; i < kResponse && !sim->dead(); ++i) {
    top.aclk = 0;
    top.eval();
    const bool addressed = top.s_axi_awvalid && top.s_axi_awready;
    const bool given = top.s_axi_wvalid && top.s_axi_wready;
    const bool answered = top.s_axi_bvalid;
    sim->clock();
    if (addressed) top.s_axi_awvalid = 0;
    if (given) top.s_axi_wvalid = 0;
    if (answered) return;
  }
  sim->sending = sim->receiving = ZF_DEAD;
}

ZF_API void zf_sim_send(zf_sim *sim, const void *data, size_t bytes, int user) {
  const auto *from = static_cast<const uint8_t *>(data);
  sim->out.assign(from, from + bytes);
  sim->out_at = 0;
  sim->user = user != 0;
  sim->sending = sim->dead() ? ZF_DEAD : bytes ? ZF_BUSY : ZF_IDLE;
  sim->offer();
}

ZF_API void zf_sim_receive(zf_sim *sim, void *data, size_t bytes) {
  sim->in = static_cast<uint8_t *>(data);
  sim->in_bytes = bytes;
  sim->in_at = 0;
  sim->receiving = sim->dead() ? ZF_DEAD : ZF_BUSY;
}

ZF_API void zf_sim_abort(zf_sim *sim) {
  if (sim->dead()) return;
  sim->sending = sim->receiving = ZF_IDLE;
  sim->offer();
}

ZF_API int zf_sim_sending(const zf_sim *sim) { return sim->sending; }
ZF_API int zf_sim_receiving(const zf_sim *sim) { return sim->receiving; }
ZF_API size_t zf_sim_received(const zf_sim *sim) { return sim->in_at; }

ZF_API uint64_t zf_sim_step(zf_sim *sim, uint64_t clocks, int until) {
  uint64_t passed = 0;
  while (passed < clocks && !sim->dead()) {
    if ((until & ZF_SENT) && sim->sending != ZF_BUSY) break;
    if ((until & ZF_RECEIVED) && sim->receiving != ZF_BUSY) break;
    if ((until & ZF_IRQ) && sim->top->irq) break;
    sim->clock();
    ++passed;
  }
  return passed;
}

ZF_API uint64_t zf_sim_clocks(const zf_sim *sim) { return sim->clocks; }
ZF_API int zf_sim_irq(const zf_sim *sim) { return sim->top->irq; }
