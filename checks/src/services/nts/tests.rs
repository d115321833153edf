use super::packet::{COOKIE as COOKIE_FIELD, SEAL, UNIQUE_ID, field};

#[test]
fn the_fields_have_the_numbers_of_the_standard() {
    assert_eq!([UNIQUE_ID, COOKIE_FIELD, SEAL], [0x0104, 0x0204, 0x0404]);
    assert_eq!(field(UNIQUE_ID, b"abcde"), b"\x01\x04\0\x0cabcde\0\0\0");
}
