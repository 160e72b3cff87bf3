"""`seatrial review`: after the launch, is the endpoint still configured as it should be?"""
