/* SPDX-License-Identifier: Apache-2.0
 *
 * Driver of a zynqfire accelerator for programs without an operating system: C99, two functions.
 *
 * Whoever links it defines zynqfire_read32 and zynqfire_write32, which access the registers of the
 * port s_axi at a byte offset; on a processor that is a volatile access to the base address that
 * the block design gave. How pixels come to the port s_axis and logits leave m_axis is not its
 * business: a camera and a DMA are set up beside it.
 */
#ifndef ZYNQFIRE_H
#define ZYNQFIRE_H

#include <stddef.h>
#include <stdint.h>

#include "zynqfire_registers.h"

uint32_t zynqfire_read32(uint32_t offset);
void zynqfire_write32(uint32_t offset, uint32_t value);

/* A memory of weights. Where it is in ROM there are no words to load, and count is 0. */
struct zynqfire_memory {
  const uint32_t *words;
  uint32_t count;
  uint32_t signature;
};

/* All of them, which weights.c has: the first `loads` of the `signatures` memories must be loaded. */
struct zynqfire_weights {
  uint32_t loads;
  uint32_t signatures;
  const struct zynqfire_memory *memories;
};

enum zynqfire_result {
  ZYNQFIRE_OK = 0,
  ZYNQFIRE_NOT_THERE = 1,    /* ID: nothing of zynqfire is at the address */
  ZYNQFIRE_OTHER_MAP = 2,    /* VERSION: the registers are others than this file's */
  ZYNQFIRE_OTHER_NET = 3,    /* NETWORK, MEMORIES, SIGNATURES: the bitstream is of another build */
  ZYNQFIRE_NOT_LOADED = 4,   /* a memory did not take its words */
  ZYNQFIRE_WRONG_WEIGHTS = 5 /* a layer read other weights than those of the build */
};

/* Check what is there, forget what is under way on both streams, and load the memories. */
enum zynqfire_result zynqfire_open(uint32_t network, const struct zynqfire_weights *weights);

/* Take packets of so many whole frames, 1 to 65535; what is under way is forgotten. */
void zynqfire_take_frames(uint32_t frames);

/* Take a packet a line, tuser on the first beat of a frame; what is under way is forgotten. With
 * `live`, the source never waits: what it sends too fast is dropped and noted. */
void zynqfire_take_lines(int live);

/* Errors since the last call, ZYNQFIRE_ERRORS_SHORT and so on; they are cleared. */
uint32_t zynqfire_errors(void);

/* After a frame: whether the layers read the weights of the build, those in block RAM and UltraRAM.
 * What forgets what is under way forgets what was read, too. */
enum zynqfire_result zynqfire_check(const struct zynqfire_weights *weights);

/* The class of the largest logit, of equal ones the first. */
size_t zynqfire_top32(const int32_t *logits, size_t count);
size_t zynqfire_top64(const int64_t *logits, size_t count);

#endif
