"""HTTP mechanics: server limits, routing, authentication, problems and OpenAPI; nothing about instruments."""
