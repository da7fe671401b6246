/* SPDX-License-Identifier: Apache-2.0
 *
 * Classifies what a camera sends line by line, and prints the class of each frame. network.h and
 * weights.c are of the network: `zynqfire package` writes them.
 */
#include <stdio.h>

#include "network.h"
#include "platform.h"
#include "zynqfire.h"

enum { LINE = ZYNQFIRE_WIDTH * ZYNQFIRE_CHANNELS };

static uint8_t pixels[ZYNQFIRE_HEIGHT * LINE];
/* Alone in its cache lines of at most 64 bytes: platform_received may invalidate them. */
static zynqfire_logit logits[(ZYNQFIRE_OUTPUTS + 15) / 16 * 16] __attribute__((aligned(64)));

/* Classify a frame; returns 0 where something is wrong. */
static int classify(unsigned long number) {
  size_t line, best;
  uint32_t errors;
  platform_receive(logits, ZYNQFIRE_OUTPUTS * sizeof *logits);
  for (line = 0; line < ZYNQFIRE_HEIGHT; ++line) {
    platform_send_line(pixels + line * LINE, LINE, line == 0);
  }
  if (!platform_received()) {
    fprintf(stderr, "frame %lu: no logits came\n", number);
    return 0;
  }
  errors = zynqfire_errors();
  if (errors) {
    fprintf(stderr, "frame %lu: errors 0x%lx\n", number, (unsigned long)errors);
    return 0;
  }
  if (number == 0 && zynqfire_check(&zynqfire_weights) != ZYNQFIRE_OK) {
    fprintf(stderr, "the weights are wrong\n");
    return 0;
  }
  best = zynqfire_top(logits, ZYNQFIRE_OUTPUTS);
  printf("frame %lu: class %lu, logit %lld\n", number, (unsigned long)best,
         (long long)logits[best]);
  return 1;
}

int main(void) {
  unsigned long number = 0;
  int good = platform_open();
  if (good) {
    const enum zynqfire_result result = zynqfire_open(ZYNQFIRE_NETWORK_HASH, &zynqfire_weights);
    good = result == ZYNQFIRE_OK;
    if (!good) fprintf(stderr, "the accelerator cannot be used: reason %d\n", (int)result);
  }
  if (good) zynqfire_take_lines(0);
  while (good && platform_frame(pixels, sizeof pixels)) good = classify(number++);
  platform_close();
  return good ? 0 : 1;
}
