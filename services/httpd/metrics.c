/*
 * metrics - GET /metrics: the statistics as OpenMetrics text
 */
#include <string.h>

#include "route.h"

void cm_httpd_metrics(const struct cm_httpd_context *context,
		      const struct cm_httpd_request *request, struct cm_httpd_reply *reply)
{
	(void)request;
	reply->body = cm_stats_openmetrics(context->stats);
	if (reply->body == NULL) {
		reply->status = 503;
		return;
	}
	reply->body_length = strlen(reply->body);
	reply->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}
