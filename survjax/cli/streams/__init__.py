"""`survjax fit` for data that need not fit into memory."""
