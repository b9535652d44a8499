"""One script a question: how near each stage is to what the machine can do at best."""
