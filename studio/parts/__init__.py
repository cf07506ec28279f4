"""What pages are made of: values as people read them, tables, forms, charts."""
