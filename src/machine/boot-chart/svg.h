// SPDX-License-Identifier: Apache-2.0
// The few elements of SVG that a chart needs. Text is made harmless here, wherever it comes from.
#pragma once

#include "lib/buf.h"

// Colours and fonts are classes of `style`, a CSS text of our own.
void svg_open(struct buf *b, double width, double height, const char *style);
void svg_close(struct buf *b);
void svg_rect(struct buf *b, const char *class_name, double x, double y, double width, double height);
void svg_line(struct buf *b, const char *class_name, double x1, double y1, double x2, double y2);
// `anchor` is "start", "middle" or "end": what of the text is at x.
void svg_text(struct buf *b, const char *class_name, const char *anchor, double x, double y, const char *text);
// What is between is one thing, which shows `title` when it is pointed at.
void svg_group_open(struct buf *b, const char *title);
void svg_group_close(struct buf *b);
// Appends text as character data or an attribute's value.
void svg_escape(struct buf *b, const char *text);
