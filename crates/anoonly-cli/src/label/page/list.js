export const startList = () => {}; export const listKey = () => false;
