/* SPDX-License-Identifier: Apache-2.0
 *
 * What main.c needs of a board beside the registers: a camera and a DMA for the logits.
 */
#ifndef ZYNQFIRE_PLATFORM_H
#define ZYNQFIRE_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

/* Bring clocks, camera and DMA up. Returns 0 where they are not. */
int platform_open(void);

/* Put the next raw RGB888 frame, row by row, into `pixels`. Returns 0 after the last one. */
int platform_frame(uint8_t *pixels, size_t bytes);

/* Send a line to s_axis, tlast on its last beat, and tuser on its first one where it is the first
 * of a frame; return when it has been taken. A camera that streams by itself needs no such call.
 * `pixels` may lie at any address: a DMA that sends it must take unaligned ones, and where the
 * processor has caches they are written back before. */
void platform_send_line(const uint8_t *pixels, size_t bytes, int first);

/* Start to take a packet of logits from m_axis, and wait for it. Returns 0 where none came. Where
 * the processor has caches, `logits` is thrown out of them before the DMA writes it and again
 * before platform_received returns. */
void platform_receive(void *logits, size_t bytes);
int platform_received(void);

void platform_close(void);

#endif
