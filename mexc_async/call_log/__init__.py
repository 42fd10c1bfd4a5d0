"""The call log: entries, files, report and replay."""
