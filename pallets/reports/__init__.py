"""Reports on contributed rows, and appeals against rejections."""
