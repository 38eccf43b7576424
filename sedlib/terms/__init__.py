"""The words that files, tables and commands share: streams, conditions. No torch, no pandas."""
