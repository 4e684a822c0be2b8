"""HTTP to the API server: sessions, kept connections, requests and watches."""
