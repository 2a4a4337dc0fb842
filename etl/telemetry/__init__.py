"""What a run tells observers about itself: fields of log lines, traces and metrics. No value of a record is in them."""
