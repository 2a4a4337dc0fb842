"""For those who write landing files: what an event must be, as text, as schemas, and as a verdict on files."""
