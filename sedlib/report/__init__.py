"""Tables, figures and pages from the result tables of the pipeline; imports no torch."""
