#include "qr.h"

#include <qrencode.h>
#include <stdlib.h>

/* White modules around the code; the standard (ISO/IEC 18004) asks for four. */
#define MARGIN      4
#define TEXT_MARGIN 2

/* Pixels: the largest size of a code. It fits into a page on a phone. */
#define SVG_SIZE_MAX 300

static QRcode *encode(const char *text)
{
	return QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
}

/* All modules outside the code are white. */
static bool is_black(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1) != 0;
}

bool cm_qr_print(FILE *stream, const char *text, bool colour)
{
	/* Upper and lower half: white blocks on black, or the reverse. */
	static const char *const blocks[] = {" ", "\u2584", "\u2580", "\u2588"};
	QRcode *code = encode(text);

	if (code == NULL)
		return false;
	for (int y = -TEXT_MARGIN; y < code->width + TEXT_MARGIN; y += 2) {
		fputs(colour ? "\033[30;107m" : "", stream);
		for (int x = -TEXT_MARGIN; x < code->width + TEXT_MARGIN; x++) {
			int upper = is_black(code, x, y) == colour;
			int lower = (is_black(code, x, y + 1) == colour) &&
				    (colour || y + 1 < code->width + TEXT_MARGIN);

			fputs(blocks[upper * 2 + lower], stream);
		}
		fputs(colour ? "\033[0m\n" : "\n", stream);
	}
	QRcode_free(code);
	return true;
}

/* One path with a rectangle for each run of black modules. */
static void draw(FILE *stream, const QRcode *code)
{
	for (int y = 0; y < code->width; y++) {
		for (int x = 0; x < code->width; x++) {
			int start = x;

			while (is_black(code, x, y))
				x++;
			if (x > start)
				fprintf(stream, "M%d %dh%dv1h-%dz", start + MARGIN, y + MARGIN,
					x - start, x - start);
		}
	}
}

char *cm_qr_svg(const char *text, const char *label)
{
	QRcode *code = encode(text);
	char *result = NULL;
	size_t length;
	FILE *stream = code != NULL ? open_memstream(&result, &length) : NULL;
	int size, pixels;

	if (stream == NULL) {
		QRcode_free(code);
		return NULL;
	}
	size = code->width + 2 * MARGIN;
	/* Modules of whole pixels, all of the same size. */
	pixels = SVG_SIZE_MAX / size * size;
	fprintf(stream,
		"<svg class=\"qr\" role=\"img\" aria-label=\"%s\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" "
		"xmlns=\"http://www.w3.org/2000/svg\" shape-rendering=\"crispEdges\">"
		"<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path fill=\"#000\" d=\"",
		label, pixels, pixels, size, size, size, size);
	draw(stream, code);
	fputs("\"/></svg>", stream);
	QRcode_free(code);
	if (fclose(stream) == 0)
		return result;
	free(result);
	return NULL;
}
