"""How a request travels: pooled connections, connecting, TLS, proxies."""
