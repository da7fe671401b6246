/* SPDX-License-Identifier: Apache-2.0
 *
 * See zynqfire.h.
 */
#include "zynqfire.h"

static void start(uint32_t mode, uint32_t frames) {
  zynqfire_write32(ZYNQFIRE_CONTROL, ZYNQFIRE_CONTROL_ABORT | mode);
  zynqfire_write32(ZYNQFIRE_PACKET, frames);
}

enum zynqfire_result zynqfire_open(uint32_t network, const struct zynqfire_weights *weights) {
  const struct zynqfire_memory *memory = weights->memories;
  uint32_t number, word;
  if (zynqfire_read32(ZYNQFIRE_ID) != ZYNQFIRE_ID_RESET) return ZYNQFIRE_NOT_THERE;
  if (zynqfire_read32(ZYNQFIRE_VERSION) >> 16 != ZYNQFIRE_VERSION_RESET >> 16) {
    return ZYNQFIRE_OTHER_MAP;
  }
  if (zynqfire_read32(ZYNQFIRE_NETWORK) != network ||
      zynqfire_read32(ZYNQFIRE_MEMORIES) != weights->loads ||
      zynqfire_read32(ZYNQFIRE_SIGNATURES) != weights->signatures) {
    return ZYNQFIRE_OTHER_NET;
  }
  start(0, 1);
  for (number = 0; number < weights->loads; ++number, ++memory) {
    zynqfire_write32(ZYNQFIRE_SELECT, number);
    for (word = 0; word < memory->count; ++word) {
      zynqfire_write32(ZYNQFIRE_DATA, memory->words[word]);
    }
    if (!(zynqfire_read32(ZYNQFIRE_MEMORY) & ZYNQFIRE_MEMORY_LOADED)) return ZYNQFIRE_NOT_LOADED;
  }
  if (!(zynqfire_read32(ZYNQFIRE_STATUS) & ZYNQFIRE_STATUS_RUNNING)) return ZYNQFIRE_NOT_LOADED;
  return ZYNQFIRE_OK;
}

void zynqfire_take_frames(uint32_t frames) { start(0, frames); }

void zynqfire_take_lines(int live) {
  start(ZYNQFIRE_CONTROL_LINES | (live ? ZYNQFIRE_CONTROL_LIVE : 0), 1);
}

uint32_t zynqfire_errors(void) {
  const uint32_t errors = zynqfire_read32(ZYNQFIRE_ERRORS);
  zynqfire_write32(ZYNQFIRE_ERRORS, errors);
  return errors;
}

enum zynqfire_result zynqfire_check(const struct zynqfire_weights *weights) {
  uint32_t number;
  for (number = 0; number < weights->signatures; ++number) {
    zynqfire_write32(ZYNQFIRE_SELECT, number);
    if (!(zynqfire_read32(ZYNQFIRE_MEMORY) & ZYNQFIRE_MEMORY_SIGNED) ||
        zynqfire_read32(ZYNQFIRE_SIGNATURE) != weights->memories[number].signature) {
      return ZYNQFIRE_WRONG_WEIGHTS;
    }
  }
  return ZYNQFIRE_OK;
}

size_t zynqfire_top32(const int32_t *logits, size_t count) {
  size_t best = 0, at;
  for (at = 1; at < count; ++at) {
    if (logits[at] > logits[best]) best = at;
  }
  return best;
}

size_t zynqfire_top64(const int64_t *logits, size_t count) {
  size_t best = 0, at;
  for (at = 1; at < count; ++at) {
    if (logits[at] > logits[best]) best = at;
  }
  return best;
}
