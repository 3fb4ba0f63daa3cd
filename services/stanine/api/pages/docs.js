// Shows openapi.json, by a relative link: the API may be under a path prefix. A file of its own because the page's content security policy allows no inline script.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null, // the default sends the document's address to a server elsewhere
  persistAuthorization: false,
});
