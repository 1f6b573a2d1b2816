"""From a document and a host to a plan: what will be done, as data, before anything is done."""
