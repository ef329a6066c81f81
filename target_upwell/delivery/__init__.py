"""When a batch is loaded, and when STATE goes out."""
