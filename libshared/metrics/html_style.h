/* The style sheet of score --html. For html.c. */
#ifndef LM_METRICS_HTML_STYLE_H
#define LM_METRICS_HTML_STYLE_H

extern const char lm_html_style[];

#endif
