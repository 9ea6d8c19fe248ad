package web

import "net/http"

func Page() http.Handler { return http.NotFoundHandler() }
