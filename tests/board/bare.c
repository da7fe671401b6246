/* Uses what main.c leaves out of the driver in C: packets of frames, live lines, errors, refusals.
 *
 * Prints a line a check; the exit code is 0 where every one holds. */
#include <stdio.h>
#include <string.h>

#include "network.h"
#include "platform.h"
#include "zynqfire.h"

enum { LINE = ZYNQFIRE_WIDTH * ZYNQFIRE_CHANNELS, FRAME = ZYNQFIRE_HEIGHT * LINE };

static uint8_t pixels[2][FRAME];
static zynqfire_logit together[2][ZYNQFIRE_OUTPUTS], alone[2][ZYNQFIRE_OUTPUTS];
static int failures;

static void check(const char *what, int holds) {
  printf("%s: %s\n", what, holds ? "yes" : "no");
  failures += !holds;
}

static int lines(unsigned frame, size_t count) {
  size_t line;
  platform_receive(alone[frame], sizeof alone[frame]);
  for (line = 0; line < count; ++line) {
    platform_send_line(pixels[frame] + line * LINE, LINE, line == 0);
  }
  return count == ZYNQFIRE_HEIGHT ? platform_received() : 1;
}

int main(void) {
  const int32_t narrow[] = {-5, 7, 7, -9};
  const int64_t wide[] = {-5, -9, INT64_C(1) << 40, INT64_C(1) << 40};
  check("the first of equal logits", zynqfire_top32(narrow, 4) == 1 && zynqfire_top64(wide, 4) == 2);
  if (!platform_open()) return 1;
  check("another network is refused",
        zynqfire_open(ZYNQFIRE_NETWORK_HASH ^ 1u, &zynqfire_weights) == ZYNQFIRE_OTHER_NET);
  check("opened", zynqfire_open(ZYNQFIRE_NETWORK_HASH, &zynqfire_weights) == ZYNQFIRE_OK);
  check("two frames", platform_frame(pixels[0], sizeof pixels));

  zynqfire_take_frames(2);
  platform_receive(together, sizeof together);
  platform_send_line(pixels[0], sizeof pixels, 0);
  check("a packet of frames", platform_received() && zynqfire_errors() == 0);

  zynqfire_take_lines(1);
  check("live lines", lines(0, ZYNQFIRE_HEIGHT) && lines(1, ZYNQFIRE_HEIGHT));
  check("the same logits", memcmp(together, alone, sizeof together) == 0);
  check("no errors", zynqfire_errors() == 0);
  check("the weights are right", zynqfire_check(&zynqfire_weights) == ZYNQFIRE_OK);

  zynqfire_take_lines(0);
  memset(alone, 0, sizeof alone);
  lines(0, ZYNQFIRE_HEIGHT - 1);
  platform_send_line(pixels[1], LINE, 1);
  check("a frame that lacks a line ends", platform_received());
  check("and is noted", zynqfire_errors() == ZYNQFIRE_ERRORS_SHORT);
  check("once", zynqfire_errors() == 0);
  zynqfire_take_lines(0);
  check("the next one is right",
        lines(1, ZYNQFIRE_HEIGHT) && memcmp(together[1], alone[1], sizeof alone[1]) == 0);
  platform_close();
  return failures != 0;
}
