"""The rules behind `validate`, one module per part of the document.  Each yields its faults."""
