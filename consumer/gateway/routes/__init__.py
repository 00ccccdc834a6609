"""The endpoints, a file for each part of the API: they read the request, call one function, write the answer."""
