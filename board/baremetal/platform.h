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
 * of a frame; return when it has been taken. A camera that streams by itself needs no such call. */
void platform_send_line(const uint8_t *pixels, size_t bytes, int first);

/* Start to take a packet of logits from m_axis, and wait for it. Returns 0 where none came. */
void platform_receive(void *logits, size_t bytes);
int platform_received(void);

void platform_close(void);

#endif
