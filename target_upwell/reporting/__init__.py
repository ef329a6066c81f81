"""What a person is told, and the files that a run keeps."""
