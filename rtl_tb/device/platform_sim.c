/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated accelerator as a board: registers, a camera and a DMA. Raw frames come from standard
 * input; ZYNQFIRE_BUILD names the folder of the build.
 */
#include <stdio.h>
#include <stdlib.h>

#include "platform.h"
#include "zynqfire.h"
#include "zynqfire_sim.h"

enum { MOST_CLOCKS = 100000000 }; /* that a line or a packet may take */

static zf_sim *sim;

uint32_t zynqfire_read32(uint32_t offset) { return zf_sim_read(sim, offset); }

void zynqfire_write32(uint32_t offset, uint32_t value) { zf_sim_write(sim, offset, value); }

int platform_open(void) {
  const char *build = getenv("ZYNQFIRE_BUILD");
  sim = zf_sim_open(build ? build : ".", 1);
  if (!sim) fprintf(stderr, "ZYNQFIRE_BUILD must name the folder of a build\n");
  return sim != NULL;
}

int platform_frame(uint8_t *pixels, size_t bytes) {
  const size_t came = fread(pixels, 1, bytes, stdin);
  if (came && came < bytes) fprintf(stderr, "the last frame is cut off\n");
  return came == bytes;
}

void platform_send_line(const uint8_t *pixels, size_t bytes, int first) {
  zf_sim_send(sim, pixels, bytes, first);
  zf_sim_step(sim, MOST_CLOCKS, ZF_SENT);
}

void platform_receive(void *logits, size_t bytes) { zf_sim_receive(sim, logits, bytes); }

int platform_received(void) {
  zf_sim_step(sim, MOST_CLOCKS, ZF_RECEIVED);
  return zf_sim_receiving(sim) == ZF_IDLE;
}

void platform_close(void) {
  if (sim) zf_sim_close(sim);
}
