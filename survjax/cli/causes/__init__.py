"""`survjax fit --cause`."""
