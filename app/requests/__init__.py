"""Takes a request to clear (清卡申请) through submitting, review and the four durable stages to its end."""
