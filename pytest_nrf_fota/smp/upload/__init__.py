"""The uploader: several requests on their way at once. See docs/uploads.md."""
