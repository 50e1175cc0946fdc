"""The website and its HTTP interface. Needs the extra ``emomask[web]``; nothing outside this folder imports it."""
